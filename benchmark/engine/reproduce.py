"""Running a manifest again: whether the files are the same, or the figures, and which version explains it if not."""

import re
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isorate.datasets.base import Dataset, Source
from isorate.engine.plan import make_plan, spec_of
from isorate.engine.runner import Progress, run_plan
from isorate.errors import RunError
from isorate.matching.search import Policy
from isorate.runs.folder import Run
from isorate.runs.manifest import check_manifest, version_differences
from isorate.runs.row import Row

METRIC_DIGITS = 6
"""Decimals to which PSNR and MS-SSIM must agree: float arithmetic of another processor may change the ones behind."""


class Outcome(StrEnum):
    """How a row compares with its repetition."""

    SAME_FILE = "bit-equal"
    SAME_FIGURES = "equal in size and metrics"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One row and its repetition.

    Attributes
    ----------
    before, after
        The row of the run and the new one, None where it is missing.
    outcome
        How they compare.
    explained
        For a row that differs: what the two manifests record differently and can be the reason, or nothing.
    """

    before: Row | None
    after: Row | None
    outcome: Outcome
    explained: str = ""

    @property
    def row(self) -> Row:
        """The row, or the repetition where the run lacks it."""
        row = self.before or self.after
        assert row is not None
        return row


def reproduce(
    run: Run,
    out: Path,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Reproduced]:
    """Run the manifest of `run` again into `out`, from the run's own copies of the images, and compare the rows.

    Nothing comes from the cache.

    Parameters
    ----------
    run
        The run.
    out
        An empty or new folder for the repetition.
    workers, executor, progress
        As for :func:`isorate.engine.runner.run_plan`.

    Raises
    ------
    RunError
        When the run lacks its images, or they are not those of its manifest.
    UsageError, CodecUnavailableError
        When a codec of the manifest is not known, or the anchor cannot run here.
    """
    check_manifest(run)
    manifest = run.manifest
    specs = {codec["name"]: spec_of(codec) for codec in manifest["codecs"]}
    anchor = specs[manifest["anchor"]]
    points = [_point(name, anchor.name) for name in manifest["points"]]
    plan = make_plan(
        _images(run), anchor, list(specs.values()), points, Policy(manifest["policy"]), manifest["tolerance_pct"]
    )
    again = run_plan(
        plan, out, cache_path=None, command=manifest.get("command", []), workers=workers, executor=executor,
        progress=progress,
    )  # fmt: skip
    return compare_rows(run, again)


def compare_rows(run: Run, again: Run) -> list[Reproduced]:
    """Return each row of `run` beside its repetition in `again`."""
    before = {(row.image, row.point, row.codec): row for row in run.rows()}
    after = {(row.image, row.point, row.codec): row for row in again.rows()}
    differences = version_differences(run.manifest, again.manifest)
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        pair = before.get(key), after.get(key)
        outcome = _outcome(*pair)
        reasons = [] if outcome is Outcome.SAME_FILE else _reasons(differences, key[2], run.manifest["anchor"])
        found.append(Reproduced(*pair, outcome, "; ".join(reasons)))
    return found


def _reasons(differences: list[tuple[str, str]], codec: str, anchor: str) -> list[str]:
    own = [text for name, text in differences if name == codec]
    rates = [text for name, text in differences if name == anchor and name != codec]
    return own or rates or [text for name, text in differences if not name]


def _outcome(before: Row | None, after: Row | None) -> Outcome:
    if before is None or after is None or not (before.ok and after.ok):
        return Outcome.DIFFERENT
    if before.stream_sha256 == after.stream_sha256 and before.decoded_sha256 == after.decoded_sha256:
        return Outcome.SAME_FILE

    def figures(row: Row) -> tuple[object, ...]:
        rounded = (None if value is None else round(value, METRIC_DIGITS) for value in (row.psnr, row.ms_ssim))
        return row.num_bytes, *rounded

    return Outcome.SAME_FIGURES if figures(before) == figures(after) else Outcome.DIFFERENT


def _point(name: str, anchor: str) -> str:
    """Return the ``--point`` that a point's name was made from."""
    rest = name.removeprefix(f"{anchor}-")
    split = re.fullmatch(r"([A-Za-z_]+?)(-?[0-9][0-9.e+-]*)", rest)
    return f"{split[1]}={split[2]}" if split else rest


def _images(run: Run) -> Dataset:
    described = run.manifest["dataset"]
    sources = []
    for image in described["images"]:
        source = Source(image["name"], run.original_file(image["name"]))
        if source.load().sha256 != image["sha256"]:
            raise RunError(f"{source.path}: is not the picture of the manifest; run the same isorate run command again")
        sources.append(source)
    return Dataset(described["name"], tuple(sources), described["title"], described["licence"], described["citation"])
