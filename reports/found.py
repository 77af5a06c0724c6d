"""What was found, in the sentences that a reader needs first: computed from the same figures as the tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from isorate.reports.bdrate import BDRate
from isorate.reports.results import Column, Comparison, Level
from isorate.reports.summary import CodecSummary, Interval, mean, similarity_db
from isorate.reports.text import number
from isorate.runs.aim import Aim
from isorate.runs.manifest import MetricEntry

FIXED = {1: "one image", 2: "both images"}
EQUAL_RATE_PCT = 0.5
"""A codec whose files are larger or smaller than the anchor's by more than this on average is said to have it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one level shows.

    Attributes
    ----------
    head
        Where the comparison stands: the anchor, its rate, the images.
    codecs
        A sentence for each codec beside the anchor, the best first.
    head_db, codecs_db
        The same with MS-SSIM in dB.
    """

    head: str
    codecs: tuple[str, ...]
    head_db: str
    codecs_db: tuple[str, ...]


def found(comparison: Comparison, level: Level, summaries: Sequence[CodecSummary]) -> Found | None:
    """Return what a level shows, or None where it has no anchor or nothing beside it to compare.

    Parameters
    ----------
    comparison
        The run.
    level
        The level.
    summaries
        What :func:`isorate.reports.summary.summarize` gave of it.
    """
    anchor = comparison.anchor
    aim = comparison.aim
    others = [(some, gap) for some in summaries if not some.column.anchor and (gap := _deciding(some, aim))]
    apart = [some for some in summaries if some.unequal and _deciding(some, aim) is None]
    if anchor is None or not (others or apart):
        return None
    ours = next(some for some in summaries if some.column.anchor)
    others.sort(key=lambda pair: -pair[1].mean if aim.of_size else pair[1].mean)
    images = len(level.point_of)
    left_out = len(ours.left_out["psnr"])
    over = f"{images - left_out} of {images} images" if left_out else FIXED.get(images, f"{images} images")
    average = "" if images == 1 else " on average"
    more = comparison.manifest.more_metrics
    if aim.of_size:
        head = f"At the file sizes of {anchor.label}: {number(ours.bpp, 3)} bits per pixel{average}, {over}."
        rates = [_rate_pct(comparison, level, some.column, anchor) for some, _ in others]
        heads = [head, head]
        sentences = [
            [_sentence(some, anchor, rate, more, decibels) for (some, _), rate in zip(others, rates, strict=True)]
            for decibels in (False, True)
        ]
    else:
        heads = [
            f"At the {aim.label} of {anchor.label}: {_quality(ours, aim, more, decibels)}{average}, {over}."
            for decibels in (False, True)
        ]
        sentences = [
            [_sentence_of_bytes(some, gap, anchor, aim, more, decibels) for some, gap in others]
            for decibels in (False, True)
        ]
    last = [_nothing(some, aim, _rate_pct(comparison, level, some.column, anchor)) for some in apart]
    return Found(heads[0], (*sentences[0], *last), heads[1], (*sentences[1], *last))


def _deciding(some: CodecSummary, aim: Aim) -> Interval | None:
    """Return what codecs are put in order by: PSNR, or at equal quality the bytes."""
    return some.difference_psnr if aim.of_size else some.difference_rate


def _quality(some: CodecSummary, aim: Aim, more: Sequence[MetricEntry], decibels: bool) -> str:
    """Return a codec's mean of the metric that is held equal, with its unit."""
    if aim.name == "psnr":
        return f"{number(some.psnr, 2)} dB"
    if aim.name == "ms_ssim":
        return f"{number(similarity_db(some.ms_ssim), 2)} dB" if decibels else number(some.ms_ssim, 4)
    entry = next(entry for entry in more if entry.name == aim.name)
    return f"{number(some.metrics[aim.name].mean, entry.digits)} {entry.unit}".rstrip()


def _similarity(some: CodecSummary, decibels: bool) -> str:
    """Return where a codec stands in MS-SSIM, empty where it has none."""
    gap = some.difference_ms_ssim_db if decibels else some.difference_ms_ssim
    if gap is None:
        return ""
    return f"{_gap(gap, 2, ' dB') if decibels else _gap(gap, 4, '')} it in MS-SSIM"


def same_psnr(rates: Sequence[tuple[Column, BDRate]], anchor: Column | None) -> str:
    """Return in one sentence what each codec needs for the anchor's PSNR, and where; empty where no curve carries it.

    >>> same_psnr([(Column("bpg", "BPG", False), BDRate(-19.6, 28.5, 36.6, 0.9))], Column("ours", "Ours", True))
    'For the same PSNR as Ours from 28.5 to 36.6 dB: BPG 20 % fewer bits.'
    """
    needs = [(f"{column.label} {_bits(rate.percent)}", rate) for column, rate in rates if rate.percent is not None]
    if anchor is None or not needs:
        return ""
    spans = [f" from {number(rate.low, 1)} to {number(rate.high, 1)}{rate.unit}" for _, rate in needs]
    # A curve reaches as far as its codec's files: only where all reach equally far is there one range to say first.
    common = spans[0] if len(set(spans)) == 1 else ""
    parts = [need if common else f"{need}{span}" for (need, _), span in zip(needs, spans, strict=True)]
    return f"For the same PSNR as {anchor.label}{common}: {', '.join(parts)}."


def _sentence_of_bytes(
    some: CodecSummary, gap: Interval, anchor: Column, aim: Aim, more: Sequence[MetricEntry], decibels: bool
) -> str:
    """Return what a codec needs for the anchor's quality, and what its files have besides.

    >>> _needs(Interval(-12.3, -14.1, -10.2, 6))
    'needs 12.3 % (10.2 to 14.1) fewer bytes than'
    """
    text = f"{some.column.label} {_needs(gap)} {anchor.label} at equal {aim.label}{_wins(some.wins_rate, gap.count)}"
    if aim.name != "psnr" and some.difference_psnr is not None:
        text += f"; it is {_gap(some.difference_psnr, 2, ' dB')} it in PSNR"
    if aim.name != "ms_ssim" and (similarity := _similarity(some, decibels)):
        text += f"; it is {similarity}"
    text += _further(some, [entry for entry in more if entry.name != aim.name])
    count = some.cells - some.failed
    if some.interpolated:
        of = "" if some.interpolated == count else f" on {some.interpolated} of {count} images"
        text += f"; that is interpolated between its files below and above{of}"
    return f"{text}{_without(some, aim.label)}{_failed(some)}."


def _needs(gap: Interval) -> str:
    size, side = number(abs(gap.mean), 1), "more" if gap.mean > 0 else "fewer"
    if size == "0.0":
        return "needs as many bytes as"
    if gap.low is None or gap.high is None:
        return f"needs {size} % {side} bytes than"
    low, high = gap.low, gap.high
    if not gap.clear:
        span = f"{number(low, 1, sign=True)} to {number(high, 1, sign=True)} %"
        return f"needs not clearly more or fewer bytes ({span}) than"
    near, far = sorted((abs(low), abs(high)))
    return f"needs {size} % ({number(near, 1)} to {number(far, 1)}) {side} bytes than"


def _further(some: CodecSummary, more: Sequence[MetricEntry]) -> str:
    """Return where a codec stands in the further metrics of the run."""
    text = ""
    for entry in more:
        if (gap := some.metrics[entry.name].difference) is not None:
            unit = f" {entry.unit}" if entry.unit else ""
            hint = "" if entry.larger_is_better else ", where smaller is better"
            text += f"; {_gap(gap, entry.digits, unit)} it in {entry.label}{hint}"
            text += _wins(some.metrics[entry.name].wins, gap.count)
    return text


def _failed(some: CodecSummary) -> str:
    return f"; it failed on {some.failed} of {some.cells} images, which are left out" if some.failed else ""


def _sentence(
    some: CodecSummary, anchor: Column, rate_pct: float | None, more: Sequence[MetricEntry], decibels: bool
) -> str:
    psnr = some.difference_psnr
    assert psnr is not None
    text = f"{some.column.label} is {_gap(psnr, 2, ' dB')} {anchor.label} in PSNR{_wins(some.wins_psnr, psnr.count)}"
    if some.difference_ms_ssim is not None:
        text += f", and {_similarity(some, decibels)}"
        text += _wins(some.wins_ms_ssim, some.difference_ms_ssim.count)
    text += _further(some, more)
    text += _rates(some, rate_pct or 0.0)
    return f"{text}{_failed(some)}."


def _rates(some: CodecSummary, rate_pct: float) -> str:
    """Return in words how far a codec's files are from the rate, and what was compared where they miss it."""
    files = _files(rate_pct) if abs(rate_pct) > EQUAL_RATE_PCT else ""
    of = some.cells - some.failed
    text = f"; {files}" if files else ""
    if some.interpolated:
        count = "" if some.interpolated == of else f" on {some.interpolated} of {of} images"
        text = f"; that is at equal rate, interpolated between its files below and above{count}"
        text += f" ({files})" if files else ""
    return text + _without(some, "rate")


def _files(rate_pct: float) -> str:
    return f"its files are {number(abs(rate_pct), 1)} % {'larger' if rate_pct > 0 else 'smaller'} on average"


def _without(some: CodecSummary, aim: str) -> str:
    """Return in words what does not count of a codec."""
    if not some.unequal:
        return ""
    return (
        f"; {some.unequal} of {some.cells - some.failed} images, on which it misses the {aim} to one side, do not count"
    )


def _nothing(some: CodecSummary, aim: Aim, rate_pct: float | None) -> str:
    """Return what is to be said of a codec that meets the rate or quality on no image."""
    files = f": {_files(rate_pct)}" if aim.of_size and rate_pct is not None else ""
    text = f"{some.column.label} does not come to the {aim.label} on any image and cannot be compared"
    return f"{text}{files}{_failed(some)}."


def _gap(gap: Interval, digits: int, unit: str) -> str:
    """Return a mean difference as a distance and a side, in words that do not claim more than its interval."""
    size, side = number(abs(gap.mean), digits), "above" if gap.mean > 0 else "below"
    if float(size.replace("∞", "inf")) == 0:
        return "level with"
    if gap.low is None or gap.high is None:
        return f"{size}{unit} {side}"
    if not gap.clear:
        low, high = number(gap.low, digits, sign=True), number(gap.high, digits, sign=True)
        return f"not clearly apart ({low} to {high}{unit}) from"
    near, far = sorted((abs(gap.low), abs(gap.high)))
    return f"{size}{unit} ({number(near, digits)} to {number(far, digits)}) {side}"


def _wins(share: float | None, count: int) -> str:
    if share is None or count < 2:
        return ""
    won = f"{share * count:.1f}".removesuffix(".0")
    return f" and wins {won if won != '0' else 'none'} of {count}"


def _rate_pct(comparison: Comparison, level: Level, column: Column, anchor: Column) -> float | None:
    """Return by how many percent a codec's files are larger than the anchor's, as a mean over the images."""
    theirs = {row.image: row.bpp for row in comparison.at(level, anchor.codec) if row.ok and row.bpp}
    return mean(
        [
            100 * (row.bpp / theirs[row.image] - 1)
            for row in comparison.at(level, column.codec)
            if row.ok and row.bpp and row.image in theirs
        ]
    )


def _bits(percent: float) -> str:
    size = number(abs(percent), 0)
    return "as many bits" if size == "0" else f"{size} % {'more' if percent > 0 else 'fewer'} bits"
