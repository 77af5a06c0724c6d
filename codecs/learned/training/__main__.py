"""``python -m isorate.codecs.learned.training CONFIG --out FOLDER``."""

import argparse
import math
import sys
import tomllib
from pathlib import Path
from typing import Any

from isorate.codecs.learned.training import run
from isorate.errors import IsorateError


def _changes(pairs: list[str]) -> dict[str, Any]:
    return tomllib.loads("\n".join(pairs))


def main(arguments: list[str] | None = None) -> int:
    """Parse `arguments` and train; return the exit status."""
    parser = argparse.ArgumentParser(description="Train the learned codec.")
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of checkpoints and curves, continued if it has some"
    )
    parser.add_argument("--resume", type=Path, help="continue from this checkpoint instead")
    parser.add_argument("--start-from", type=Path, help="start a new run from this checkpoint's averaged weights")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after that long, with a checkpoint")
    parser.add_argument("--max-file-mb", type=int, default=0, help="cut checkpoints into files of that many MiB")
    parser.add_argument("--compact", action="store_true", help="checkpoints of the averaged weights alone")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace a key of [train]")
    given = parser.parse_args(arguments)
    try:
        run(
            given.config,
            given.out,
            resume=given.resume,
            start_from=given.start_from,
            seconds=given.seconds,
            max_file_mb=given.max_file_mb,
            compact=given.compact,
            changes=_changes(given.set),
        )
    except IsorateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
