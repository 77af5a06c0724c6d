"""Measure runs of many small cells, and whether they take time in proportion: python tests/speed/scale.py

Each is one ``isorate run`` of a new folder in a process of its own: JPEG on pictures of 64×64 pixels, without the
cache, so that what is measured is what isorate does around a codec. Afterwards the same command runs once more on the
finished folder, and the rows are read.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

SIZES = (600, 6000, 20000)
POOLS = {"pool": (), "dask": ("--scheduler", "local")}
SIDE = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes
    ----------
    pool, cells, keep, workers
        What ran.
    wall_s, cpu_s
        Seconds of the command; those of all its processes' work.
    again_s, again_cpu_s
        The same of the command on the finished folder.
    rows_cpu_s
        CPU seconds in which the rows are read.
    parent_mb, worker_mb
        Largest resident sizes: of the command's process, and of the largest of its workers; None where the system has
        no ``/proc``.
    files, megabytes
        What the run folder holds, as it counts on the disk.
    """

    pool: str
    cells: int
    keep: str
    workers: int
    wall_s: float
    cpu_s: float
    again_s: float
    again_cpu_s: float
    rows_cpu_s: float
    parent_mb: float | None
    worker_mb: float | None
    files: int
    megabytes: float


def make_pictures(folder: Path, count: int) -> None:
    """Write different small pictures, cut out of scikit-image's astronaut."""
    from PIL import Image
    from skimage import data

    whole, places = data.astronaut(), np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        y, x = places.integers(0, whole.shape[0] - SIDE, 2)
        Image.fromarray(whole[y : y + SIDE, x : x + SIDE]).save(folder / f"{number:06}.png", compress_level=1)


def measure(pool: str, pictures: Path, run: Path, keep: str, workers: int) -> Measured:
    """Run, run again, and read."""
    words = ["-m", "isorate", "run", "--data", pictures, "--anchor", "jpeg", "--codec", "jpeg", "--point", "quality=30",
             "--no-cache", "--quiet", "--keep", keep, "--workers", workers, *POOLS[pool], "-o", run]  # fmt: skip
    wall_s, cpu_s, parent_mb, worker_mb = timed(words)
    again_s, again_cpu_s, _, _ = timed(words)
    reading = (
        "import sys, time; from isorate.runs.folder import Run; from pathlib import Path; t = time.process_time(); "
    )
    reading += "Run.open(Path(sys.argv[1])).rows(); print(time.process_time() - t)"
    rows = subprocess.run([sys.executable, "-c", reading, run], check=True, capture_output=True, text=True)
    found = [file.stat() for file in run.rglob("*") if file.is_file()]
    held = sum(getattr(file, "st_blocks", file.st_size / 512) for file in found) * 512
    return Measured(
        pool, sum(1 for _ in pictures.iterdir()), keep, workers, wall_s, cpu_s, again_s, again_cpu_s,
        float(rows.stdout), parent_mb, worker_mb, len(found), held / 1e6,
    )  # fmt: skip


def timed(words: Sequence[object]) -> tuple[float, float, float | None, float | None]:
    """Return wall-clock and CPU seconds of a Python, and the largest resident sizes of it and of its largest child."""
    before, start = os.times(), time.perf_counter()
    child = subprocess.Popen([sys.executable, *map(str, words)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    largest: dict[int, float] = {}
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(child.pid, largest, ended))
    watching.start()
    code = child.wait()
    ended.set()
    watching.join()
    if code:
        raise SystemExit(f"{' '.join(map(str, words))}: ended with exit code {code}")
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    own = largest.pop(child.pid, None)
    return time.perf_counter() - start, cpu_s, own, max(largest.values(), default=None)


def _watch(pid: int, largest: dict[int, float], ended: threading.Event) -> None:
    """Note the peak resident sizes of a process and its descendants, in MB, until they have ended."""
    while not ended.wait(0.5):
        for one in _descendants(pid):
            try:
                status = Path(f"/proc/{one}/status").read_text("ascii")
            except OSError:
                continue
            peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), None)
            if peak is not None:
                largest[one] = int(peak) * 1024 / 1e6


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        below = [
            one for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text("ascii").split()
        ]
    except OSError:  # it has ended, or there is no /proc
        return
    for one in below:
        yield from _descendants(int(one))


def fit(measured: Sequence[Measured]) -> tuple[float, float, float]:
    """Return the straight line through seconds of CPU over cells: seconds at none, a cell's, and the largest residual.

    The residual is in percent of what was measured; what grows faster than cells do shows in it.
    """
    cells, seconds = (np.array(some, float) for some in zip(*((m.cells, m.cpu_s) for m in measured), strict=True))
    a_cell, at_none = np.polynomial.polynomial.Polynomial.fit(cells, seconds, 1, w=1 / seconds).convert().coef[::-1]
    apart = 100 * np.abs((at_none + a_cell * cells) / seconds - 1).max()
    return float(at_none), float(a_cell), float(apart)


def table(measured: Sequence[Measured]) -> str:
    """Return the measurements as Markdown, and what they say of a million cells."""
    heads = ("workers", "cells", "kept", "wall s", "CPU s", "cells a CPU s", "again: CPU s", "rows: CPU s", "parent MB",
             "worker MB", "files", "MB")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", f"| --- {'| ---: ' * (len(heads) - 1)}|"]
    for m in measured:
        memory = " | ".join("–" if value is None else f"{value:.0f}" for value in (m.parent_mb, m.worker_mb))
        lines.append(
            f"| {m.workers}, {m.pool} | {m.cells:,} | {m.keep} | {m.wall_s:.0f} | {m.cpu_s:.0f} "
            f"| {m.cells / m.cpu_s:.0f} | {m.again_cpu_s:.1f} | {m.rows_cpu_s:.2f} | {memory} | {m.files:,} "
            f"| {m.megabytes:.0f} |"
        )
    lines.append("")
    for group in dict.fromkeys((m.pool, m.keep) for m in measured):
        some = [m for m in measured if (m.pool, m.keep) == group]
        if len({m.cells for m in some}) > 1:
            at_none, a_cell, apart = fit(some)
            lines.append(
                f"{', '.join(group)}: {at_none:.1f} s + {1000 * a_cell:.2f} ms a cell of CPU, no measurement further "
                f"than {apart:.1f} % from that line; 1,000,000 cells: {(at_none + 1e6 * a_cell) / 3600:.1f} CPU hours"
            )
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=SIZES)
    parser.add_argument("--pool", choices=POOLS, nargs="+", default=list(POOLS))
    parser.add_argument("--keep", nargs="+", default=["decoded"])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)) if sys.platform == "linux" else 2)
    parser.add_argument("-o", "--out", type=Path, help="a JSON file of the figures, renewed after every run")
    given = parser.parse_args()
    measured: list[Measured] = []
    for cells in given.cells:
        with tempfile.TemporaryDirectory(prefix="isorate-scale-") as folder:
            make_pictures(Path(folder) / "pictures", cells)
            for keep in given.keep:
                for pool in given.pool:
                    run = Path(folder) / f"{pool}-{keep}"
                    measured.append(measure(pool, Path(folder) / "pictures", run, keep, given.workers))
                    print(measured[-1], file=sys.stderr, flush=True)
                    if given.out:
                        given.out.parent.mkdir(parents=True, exist_ok=True)
                        given.out.write_text(json.dumps([asdict(one) for one in measured], indent=1) + "\n")
    print(f"{platform.platform()}, {os.cpu_count()} cores\n\n{table(measured)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
