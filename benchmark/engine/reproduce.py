"""Running a manifest again: whether the files are the same, or the figures, and which version explains it if not."""

import math
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from isorate.codecs.base import Knob
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Dataset, Source
from isorate.engine.plan import make_plan
from isorate.engine.points import parse_point, rate_at
from isorate.engine.runner import Progress, run_plan
from isorate.errors import ImageError, RunError
from isorate.runs.differences import version_differences
from isorate.runs.folder import Run
from isorate.runs.point import AnchorPoint, text_of_name
from isorate.runs.row import ANCHOR, Row

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
    run: Run | Path | str,
    out: Path,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    allow_programs: bool = False,
) -> list[Reproduced]:
    """Run the manifest of `run` again into `out`, from the run's own copies of the images, and compare the rows.

    Nothing comes from the cache. Rows of an image that the run could not read are left out; those of an image whose
    copy is lost are different, and explained by that.

    Parameters
    ----------
    run
        The run, or its folder.
    out
        An empty or new folder for the repetition.
    workers, executor, progress
        As for :func:`isorate.engine.runner.run_plan`.
    allow_programs
        See :meth:`isorate.runs.manifest.CodecEntry.codec_spec`.

    Raises
    ------
    RunError
        When none of the images is there as the manifest has it, or the manifest names programs that may not run; when
        a row is damaged; when `out` holds anything.
    UsageError, CodecUnavailableError
        When a codec of the manifest is not known, or the anchor cannot run here.
    """
    run = Run.of(run)
    if out.is_dir() and any(out.iterdir()):
        raise RunError(f"{out}: not empty, and a repetition takes nothing from before; give a new folder (-o), or none")
    run.rows()  # a damaged row is refused before the repetition, not after hours of it
    manifest = run.manifest
    specs = {codec.name: codec.codec_spec(allow_programs=allow_programs) for codec in manifest.codecs}
    anchor = specs[manifest.anchor]
    knob = anchor.create().knob
    points = [point if isinstance(point, AnchorPoint) else _older(point, run, knob) for point in manifest.points]
    dataset, lost = _images(run)
    plan = make_plan(
        dataset, anchor, list(specs.values()), points, manifest.policy, manifest.tolerance_pct,
        metrics=[entry.name for entry in manifest.more_metrics], match=manifest.match,
        tolerance_quality=manifest.tolerance_quality,
    )  # fmt: skip
    again = run_plan(
        plan, out, cache_path=None, command=list(manifest.command), workers=workers, executor=executor,
        progress=progress,
    )  # fmt: skip
    unread = {image.name for image in manifest.dataset.images if image.error is not None}
    return [
        replace(item, explained=lost[item.row.image]) if item.row.image in lost else item
        for item in compare_rows(run, again)
        if item.row.image not in unread
    ]


def compare_rows(run: Run, again: Run) -> list[Reproduced]:
    """Return each row of `run` beside its repetition in `again`."""
    before = {row.key: row for row in run.rows()}
    after = {row.key: row for row in again.rows()}
    differences = version_differences(run.manifest, again.manifest)
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        pair = before.get(key), after.get(key)
        outcome = _outcome(*pair)
        reasons = [] if outcome is Outcome.SAME_FILE else _reasons(differences, key[2], run.manifest.anchor)
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


def _older(name: str, run: Run, knob: Knob) -> AnchorPoint:
    """Return the point of a manifest that was written before points were data, held against the anchor's rows.

    Early versions wrote six digits of the value into the name, and the paper's point has no value there at all.

    Raises
    ------
    RunError
        When the name does not tell the point, or the anchor's rows ran elsewhere.
    """
    anchor = CodecSpec.parse(run.manifest.codec(run.manifest.anchor).spec).name
    try:
        point = parse_point(text_of_name(name, anchor, knob.name), anchor, knob)
    except ValueError as error:
        raise RunError(f"{run.path}: cannot be reproduced, its manifest is of an older version: {error}") from None
    for row in run.rows():
        if row.point == name and row.role == ANCHOR and row.ok:
            rate = rate_at(point, anchor, row.image)
            wanted, ran = (point.value, row.knob) if rate is None else (rate, row.target_bpp)
            if ran is None or not math.isclose(wanted, ran, rel_tol=1e-12):
                raise RunError(
                    f"{run.path}: cannot be reproduced, its manifest is of an older version: point {name!r} stands for "
                    f"{wanted!r}, and {row.image} ran at {ran!r}; run it anew with that value"
                )
    return point


def _images(run: Run) -> tuple[Dataset, dict[str, str]]:
    """Return the run's own copies of its images, and why one that it had is not among them, by its name."""
    described = run.manifest.dataset
    sources: list[Source] = []
    lost: dict[str, str] = {}
    for image in described.images:
        if image.error is None:
            try:
                source = Source(image.name, run.original_file(image.name), image_class=image.image_class)
                if source.load().sha256 != image.sha256:
                    raise RunError(f"{source.path}: is not the picture of the manifest; run the same command again")
                sources.append(source)
            except (RunError, ImageError) as error:
                lost[image.name] = str(error)
    if not sources:
        why = next(iter(lost.values()), "none could be read")
        raise RunError(f"{run.path}: has no images to be run again: {why}")
    about = described.title, described.licence, described.citation, described.source
    return Dataset(described.name, tuple(sources), *about), lost
