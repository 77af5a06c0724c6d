"""``isorate run``."""

import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Annotated

from cyclopts import Parameter

from isorate.api import run as run_comparison
from isorate.cli.config import DEFAULT_TOLERANCE_PCT, settings
from isorate.cli.exit_codes import FAILED_CELLS
from isorate.cli.numbers import Count, Positive
from isorate.errors import UsageError
from isorate.files.atomic import write_bytes
from isorate.files.standard_output import others_talk
from isorate.matching.outcome import Policy
from isorate.pictures.names import printable
from isorate.reports.crops import PINS_IN_RUN
from isorate.runs.aim import SIZE
from isorate.runs.keep import Keep
from isorate.runs.manifest import Manifest
from isorate.runs.row import Row


def run(
    *,
    config: Path | None = None,
    data: Annotated[str | None, Parameter(env_var="ISORATE_DATA")] = None,
    anchor: str | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    codec: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    point: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    curve_point: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    image: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    metric: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    match: str | None = None,
    policy: Policy | None = None,
    tolerance: Positive | None = None,
    keep: Keep | None = None,
    workers: Count | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    cache: bool = True,
    json: bool = False,
    quiet: bool = False,
) -> int:
    """Compare codecs at the anchor's file sizes, or at its quality, image by image, into a run folder.

    The same command on the same folder continues where it stopped. What is not given here comes from the
    configuration file, else from the defaults.

    Examples
    --------
    ```
    isorate run --data kodak --anchor bpg -o runs/kodak
    isorate run --data photos/ --anchor jpeg --point quality=10 --point bpp=0.5 -o runs/photos
    isorate run --codec jpeg:mode=integer --codec jpeg2000 --anchor bpg:chroma=420 -o runs/other
    isorate run --data kodak --anchor bpg --codec avif --match psnr --point psnr=35 -o runs/equal-psnr
    ```

    Parameters
    ----------
    config
        The configuration; `isorate.toml` of this folder by default, where there is one.
    data
        `kodak` (the default), `samples`, a name that `isorate datasets` lists, a folder of images, a manifest (`.toml`,
        `.csv`), a list of paths (`.txt`), or a `.tar` of images.
    anchor
        The codec whose files set the rates, with options as in `bpg:chroma=420`.
    out
        The run folder.
    codec
        A codec to drive to those rates; repeat it for more.
    point
        An operating point of the anchor: `qp=37`, `bpp=0.2`, or `paper` (the supplementary's); repeat it for more.
    curve_point
        A further operating point for curves only, whose decoded pictures are not kept; repeat it for more.
    image
        Use this image only; repeat it for more.
    metric
        Measure this, too, beside PSNR and MS-SSIM (see `isorate metrics`); repeat it for more.
    match
        What is held equal: `size` (the default), or a metric such as `psnr`; the codecs are then driven to the anchor's
        quality, and their bytes compared. A point such as `psnr=35` drives the anchor to a value.
    policy
        Which size counts as matched; `nearest` by default.
    tolerance
        A residual up to this counts as matched, in percent; 0.5 by default. With `--match METRIC` a gap on the scale of
        the metric's curves; 0.02 dB by default, or what the metric states.
    keep
        What stays in the folder beside the rows: `decoded` (files, their pixels and the originals', for the report's
        pictures), `streams` (files alone), or `none`. By default `decoded`, and in a folder with a run what that keeps;
        it may be more than before.
    workers
        Processes; all usable cores by default.
    scheduler
        Run the cells on the workers of a dask scheduler, as in `tcp://host:8786`; `local` starts one here.
    overwrite
        Start anew when the folder holds another run.
    cache
        Reuse encodes, decodes and measurements of earlier runs, where the same code, programs and versions made them.
    json
        Print the counts of rows as JSON for scripts; the rows are `isorate table --format json`.
    quiet
        Say nothing but what failed; no bar.
    """
    import json as json_module

    from tqdm import tqdm

    from isorate.engine.cluster import cluster

    chosen = settings(
        config, data=data, anchor=anchor, codecs=codec or None, points=point or None,
        curve_points=curve_point or None, images=image or None, metrics=metric or None, match=match, policy=policy,
        tolerance=tolerance, keep=keep, workers=workers, scheduler=scheduler, out=out,
    )  # fmt: skip
    if chosen.out is None:
        raise UsageError('name the run folder: --out FOLDER (-o), or out = "…" in isorate.toml')
    of_size = chosen.match == SIZE
    tally: Counter[str] = Counter()
    elsewhere = nullcontext() if chosen.scheduler is None else cluster(chosen.scheduler, chosen.workers)
    looking = f"{chosen.anchor}'s {'rates' if of_size else chosen.match}"
    going_on = ("", 0)
    bar = tqdm(total=0, unit="cell", desc=looking, file=sys.stderr, disable=quiet or None)
    with elsewhere as executor, bar, others_talk():

        def turn_to(what: str, unit: str, total: int) -> bool:
            nonlocal going_on
            turned, going_on = going_on != (what, total), (what, total)
            if turned:
                bar.unit = unit
                bar.set_description(what, refresh=False)
                bar.reset(total)
            return turned

        def prepare(what: str, done: int, total: int) -> None:
            turn_to(what, "it", total)
            bar.update(done - bar.n)

        def show(counts: Counter[str], done: int, total: int) -> None:
            if turn_to(looking, "cell", total):
                bar.initial = done
            bar.update(done - bar.n)
            bar.set_postfix(counts)
            tally.update(counts - tally)

        done = run_comparison(
            chosen.data, chosen.out, anchor=chosen.anchor, codecs=chosen.codecs, points=chosen.points,
            curve_points=chosen.curve_points, images=chosen.images, metrics=chosen.metrics, policy=chosen.policy,
            tolerance_pct=(chosen.tolerance if of_size else None) or DEFAULT_TOLERANCE_PCT, match=chosen.match,
            tolerance_quality=None if of_size else chosen.tolerance, keep=chosen.keep, workers=chosen.workers,
            executor=executor, overwrite=overwrite, use_cache=cache, command=["isorate", *sys.argv[1:]], progress=show,
            preparing=prepare,
        )  # fmt: skip
    for note, names in ({} if quiet else _notes(done.manifest)).items():
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        print(printable(f"{', '.join(names[:6])}{more}: {note}"), file=sys.stderr)
    if chosen.crops:
        write_bytes(chosen.out / PINS_IN_RUN, chosen.crops.encode())
    rows = done.rows()
    failed = [row for row in rows if not row.ok]
    for row in failed:
        print(printable(f"{row.image}, {row.codec} at {row.point}: {row.status}"), file=sys.stderr)
    counts = {
        "rows": len(rows) - len(failed), "failed": len(failed), "noted": sum(r.ok and bool(r.note) for r in rows),
        "cached": tally["cached"],
    }  # fmt: skip
    if json:
        print(json_module.dumps({"run": str(done.path), **counts}))
    elif not quiet:
        parts = [f"{counts['rows']} rows", f"{counts['failed']} failed", *_remarks(rows)]
        parts.append(f"{counts['cached']} from the cache")
        if not of_size:
            parts.append(_encodes(rows))
        print(f"{done.path}: {', '.join(parts)}; next: isorate report {done.path}")
    return FAILED_CELLS if failed else 0


def _remarks(rows: list[Row]) -> list[str]:
    """Return how many rows there are with each thing that a reader must know of the match."""
    found = Counter(part.partition(":")[0] for row in rows if row.ok for part in row.note.split("; ") if part)
    return [f"{count} {remark}" for remark, count in found.most_common()]


def _encodes(rows: list[Row]) -> str:
    """Return how many encodes a search took, for each codec the median over its files."""
    found: dict[str, list[int]] = {}
    for row in rows:
        if row.ok and row.quality is not None:
            found.setdefault(row.label, []).append(row.probes)
    return f"encodes a file: {', '.join(f'{name} {median(counts):g}' for name, counts in found.items())}"


def _notes(manifest: Manifest) -> dict[str, list[str]]:
    """Return what was done to the pictures before they were compared, and the names of those."""
    found: dict[str, list[str]] = {}
    for image in manifest.dataset.images:
        for note in image.notes:
            found.setdefault(note, []).append(image.name)
    return found
