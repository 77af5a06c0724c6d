"""``isorate learned``: making the learned codec's weights, and measuring and checking them."""

from isorate.cli.group import command_group, places

COMMANDS = {
    "pack": "Decode photographs once, for training.",
    "train": "Train the learned codec.",
    "session": "Train, finish and export on a GPU that is there for minutes.",
    "export": "Turn a training checkpoint into a weights file.",
    "card": "Print the model card of a weights file.",
    "golden": "Make or check golden streams.",
    "bench": "Time the learned codec on one picture of Kodak's size.",
    "fuzz": "Decode damaged versions of a stream.",
    "budget": "Measure a training step.",
    "integer-cost": "Measure the BD-rate of integer against float priors.",
}
PLACES = places("isorate.cli.learned", COMMANDS) | {"train": "isorate.cli.train:train"}
"""Where each command is."""

learned = command_group("learned", __doc__, COMMANDS, PLACES)
