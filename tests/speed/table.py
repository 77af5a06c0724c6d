"""Print the newest measurement of `make bench` as a table: python tests/speed/table.py .benchmarks

Machines are noisy: every figure is a median of repeats, and ratios within one run say more than seconds.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from isorate.codecs.registry import list_codecs

Measured = dict[str, dict[str, Any]]
"""The measurements of a file by name, such as ``test_encode[jpeg]``."""


def measured(content: dict[str, Any]) -> Measured:
    """Return the measurements of a file that pytest-benchmark wrote."""
    return {one["name"].removeprefix("test_"): one for one in content["benchmarks"]}


def codec_lines(found: Measured) -> list[str]:
    """Return a line for every registered codec: seconds, ratios to the first, what the match took."""
    lines = [
        f"{'codec':10} {'encode s':>9} {'decode s':>9} {'match: encodes':>14} {'seconds':>8} {'residual':>9}  back end"
    ]
    first: tuple[float, float] | None = None
    for listed in list_codecs():
        match = found.get(f"match[{listed.name}]")
        if match is None:
            lines.append(f"{listed.name:10} {'not measured' if listed.available else 'unavailable: ' + listed.hint}")
            continue
        encode, decode = (seconds(found[f"{work}[{listed.name}]"]) for work in ("encode", "decode"))
        first = first or (encode, decode)
        more = match["extra_info"]
        lines.append(
            f"{listed.name:10} {encode:9.3f} {decode:9.3f} {more['encodes']:14d} {seconds(match):8.2f} "
            f"{more['residual_pct']:+8.2f}%  {more['backend']}  [×{encode / first[0]:.2f}, ×{decode / first[1]:.2f}]"
        )
    return lines


def other_lines(found: Measured) -> list[str]:
    """Return a line for every measurement that is not of a codec in the registry."""
    of_codecs = ("match[", "encode[", "decode[")
    return [
        f"{name:60} {seconds(one):8.3f} s" + "".join(f", {value} {key}" for key, value in one["extra_info"].items())
        for name, one in found.items()
        if not name.startswith(of_codecs)
    ]


def seconds(one: dict[str, Any]) -> float:
    """Return the median."""
    return float(one["stats"]["median"])


def main(folder: Path) -> int:
    """Print the newest file of `folder`."""
    files = sorted(folder.glob("*/*.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        print(f"{folder}: no measurement here; make one with: make bench", file=sys.stderr)
        return 2
    content = json.loads(files[-1].read_text(encoding="utf-8"))
    commit = content["commit_info"]
    changed = " with changes that are not committed" if commit["dirty"] else ""
    print(f"768×512, medians, threads: {content['threads']}, commit {str(commit['id'])[:8]}{changed}, {files[-1]}")
    print("\n".join([*codec_lines(measured(content)), *other_lines(measured(content))]))
    print(f"peak memory {content['peak_memory_mb']} MB")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    sys.exit(main(parser.parse_args().folder))
