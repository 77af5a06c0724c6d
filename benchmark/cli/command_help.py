"""What ``--help`` of one command shows."""

import inspect
import re
from collections.abc import Sequence

from cyclopts import App


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
