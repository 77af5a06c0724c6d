"""``isorate datasets``: the data sets known by name, and adding and removing one."""

from isorate.cli.datasets.listing import listing
from isorate.cli.group import command_group, places

COMMANDS = {
    "add": "Make a data set known by a name, or write its manifest.",
    "remove": "Forget a data set that was added; its pictures stay.",
}
PLACES = places("isorate.cli.datasets", COMMANDS)
"""Where each command is."""

datasets = command_group("datasets", None, COMMANDS, PLACES)
datasets.default(listing)
