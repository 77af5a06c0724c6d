"""Commands that stand under a name of their own: ``isorate learned …``, ``isorate overfitted …``."""

from collections.abc import Mapping

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
