"""``isorate learned``: making the learned codec's weights, and measuring and checking them."""

from cyclopts import App

# As in isorate.cli.commands: named by import path, so that the help loads no PyTorch.
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
PLACES = {name: f"isorate.cli.learned.{name.replace('-', '_')}:{name.replace('-', '_')}" for name in COMMANDS} | {
    "train": "isorate.cli.train:train"
}
"""Where each command is."""

learned = App(name="learned", help=__doc__, help_format="markdown")
for command, summary in COMMANDS.items():
    learned.command(PLACES[command], name=command, help=summary)
