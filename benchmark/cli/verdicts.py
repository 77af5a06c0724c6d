"""What the checks of our own codecs print and return: damaged streams, golden streams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from isorate.cli.exit_codes import DONE, FAILED_CELLS

if TYPE_CHECKING:  # the help loads no NumPy
    from isorate.codecs.damage import FuzzReport


def damage_verdict(report: FuzzReport, as_json: bool) -> int:
    """Print what happened to damaged streams; return the exit code, 1 when a wrong picture came out."""
    if as_json:
        times = {"decode_s": report.normal, "slowest_s": report.slowest}
        print(json.dumps({"outcomes": report.outcomes, **times}))
    else:
        print(dict(report.outcomes), f"normal decode {report.normal:.4f} s, slowest {report.slowest:.4f} s")
    return FAILED_CELLS if report.outcomes["wrong picture"] else DONE


def golden_verdict(folder: Path, wrong: list[str], as_json: bool) -> int:
    """Print what is wrong with a folder of golden streams; return the exit code, 1 when something is."""
    if as_json:
        print(json.dumps({"folder": str(folder), "wrong": wrong}))
    else:
        print("\n".join(wrong) or f"{folder}: all streams hold")
    return FAILED_CELLS if wrong else DONE
