"""``isorate overfitted``: choosing the overfitted codec's starting weights, and measuring and checking the codec."""

from isorate.cli.group import command_group, places

COMMANDS = {
    "starting-weights": "Choose the nets that fits start from.",
    "golden": "Make or check golden streams.",
    "bench": "Time a fit's step, its parts, and decoding.",
    "fuzz": "Decode damaged versions of a stream.",
}
PLACES = places("isorate.cli.overfitted", COMMANDS)
"""Where each command is."""

overfitted = command_group("overfitted", __doc__, COMMANDS, PLACES)
