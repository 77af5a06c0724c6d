"""Commands that stand under a name of their own: ``isorate learned …``, ``isorate overfitted …``."""

import inspect
import re
from collections.abc import Mapping, Sequence

from cyclopts import App


def places(room: str, commands: Mapping[str, str]) -> dict[str, str]:
    """Return where the commands of a package are: one file each."""
    return {name: f"{room}.{(own := name.replace('-', '_'))}:{own}" for name in commands}


def command_group(group: str, text: str | None, commands: Mapping[str, str], where: Mapping[str, str]) -> App:
    """Return the group with its commands, named by import path, so that the help loads no PyTorch."""
    app = App(name=group, help=text, help_format="markdown")
    for name, summary in commands.items():
        app.command(where[name], name=name, help=summary)
    return app


def show_examples(app: App, words: Sequence[str]) -> None:
    """Let the help that `words` ask for be the command's docstring up to its parameters, which have a panel of theirs.

    Without this it is the summary of the list of commands, and without examples.
    """
    flags = set(app.help_flags)
    if not flags & set(words):
        return
    command = app.parse_commands([word for word in words if word not in flags])[1][-1]
    if (function := command.default_command) and command is not app and (text := inspect.getdoc(function)):
        about = re.split(r"\n(?:Parameters|Returns|Raises)\n-+\n", text)[0]
        command.help = re.sub(r"\nExamples\n-+\n", "\nFor example:\n\n", about)
