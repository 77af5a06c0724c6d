"""The tree of commands. Each is named by its import path and loaded when it is called."""

from cyclopts import App

import isorate
from isorate.cli.group import places

# Name and summary: written here, so that `isorate --help` need not load the commands.
COMMANDS = {
    "run": "Compare codecs at the anchor's file sizes, into a run folder.",
    "report": "Render a run as an HTML page.",
    "table": "Print a run's rows as CSV, Markdown, LaTeX or JSON.",
    "figures": "Write a run's figures for a paper: crops, whole images with boxes, curves.",
    "supplement": "Write a run as LaTeX: whole pictures, crops and the table, as in the supplementary.",
    "codec-compare": "Write a run as batches that codec-compare reads.",
    "baseline": "Write a run's rows as a small file that later runs are held against.",
    "check": "Hold a run against a baseline; the exit code is the verdict.",
    "compare": "Compare two runs: differences, win rate, BD-rate.",
    "reproduce": "Run a manifest again and compare every row.",
    "time": "Time a run's encodes and decodes alone, in random order.",
    "init": "Write a commented isorate.toml to start from.",
    "doctor": "Say what is here, what is missing and how to install it.",
    "verify": "Recompute the supplementary's classical columns.",
    "codecs": "List the codecs and what is missing for them.",
    "metrics": "List the metrics that can be added to a run.",
    "datasets": "List the data sets known by name; add one, or remove it.",
    "encode": "Encode an image at a rate or a knob value.",
    "decode": "Decode a file to a lossless image.",
    "train": "Train the learned codec: `isorate learned train`.",
    "learned": "Make, measure and check the learned codec's weights.",
    "overfitted": "Measure and check the overfitted codec, and choose its starting weights.",
    "completion": "Print a shell's completion script.",
}
PLACES = places("isorate.cli", COMMANDS)

app = App(
    name="isorate",
    help="Compare image codecs at the same file size: PSNR, MS-SSIM and a look at the pixels.",
    version=lambda: isorate.__version__,
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
for command, summary in COMMANDS.items():
    app.command(PLACES[command], name=command, help=summary)
