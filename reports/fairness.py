"""What could make the comparison unfair, computed from the rows; nothing here is written by hand for a run."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from isorate.codecs.base import Option
from isorate.pictures.colour import UNMANAGED
from isorate.reports.results import Comparison
from isorate.reports.text import residual
from isorate.runs.equal_rate import Basis, basis, lacks_neighbour
from isorate.runs.row import Row

HEADER_SHARE = 0.03
FEW_IMAGES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a reader must know before believing a difference.

    Attributes
    ----------
    severity
        ``warning`` where it moves the numbers, ``note`` where it only limits what they say.
    title
        A few words.
    text
        What was found, where, and what it does to the comparison.
    """

    severity: Literal["warning", "note"]
    title: str
    text: str


def check(comparison: Comparison) -> list[Finding]:
    """Return what was found, warnings first."""
    found = [finding for rule in _RULES for finding in rule(comparison)]
    return sorted(found, key=lambda finding: finding.severity != "warning")


def _with_option(comparison: Comparison, name: str, value: Option) -> list[str]:
    """Return the labels of the codecs that ran with an option at this value."""
    codecs = {row.codec for row in comparison.rows if row.options.get(name) == value}
    return [column.label for column in comparison.columns if column.codec in codecs]


def _good(comparison: Comparison, codec: str) -> list[Row]:
    return [row for row in comparison.rows if row.codec == codec and row.ok]


def _names(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _chroma(comparison: Comparison) -> Iterator[Finding]:
    reduced = _with_option(comparison, "chroma", "420") + _with_option(comparison, "chroma", "422")
    full = _with_option(comparison, "chroma", "444")
    if reduced and full:
        text = f"{_names(reduced)} stores colour at reduced resolution, {_names(full)} at full resolution (4:4:4)."
        yield Finding(
            "warning", "Different chroma sampling", text + " Part of a difference is the sampling, not the codec."
        )


def _entropy(comparison: Comparison) -> Iterator[Finding]:
    if plain := _with_option(comparison, "optimize", False):
        text = (
            f"{_names(plain)} ran with the standard's example Huffman tables. Optimized tables describe the same "
            "pixels in a smaller file; at low rates that is worth several dB at equal size."
        )
        yield Finding("warning", "Huffman tables not optimized", text)
    if scans := _with_option(comparison, "progressive", True):
        text = f"{_names(scans)} wrote progressive files. At low rates their extra scans make the file larger."
        yield Finding("note", "Progressive files", text)


def _wavelet(comparison: Comparison) -> Iterator[Finding]:
    if reversible := _with_option(comparison, "wavelet", "5/3"):
        text = (
            f"{_names(reversible)} ran with the reversible 5/3 wavelet, which is made for lossless files; "
            "the 9/7 one is better at equal rate."
        )
        yield Finding("warning", "Reversible wavelet", text)
    if separate := _with_option(comparison, "mct", False):
        text = (
            f"{_names(separate)} coded red, green and blue without the colour transform, which costs dB at equal rate."
        )
        yield Finding("warning", "No colour transform", text)


def _objective(comparison: Comparison) -> Iterator[Finding]:
    if similar := _with_option(comparison, "objective", "ms-ssim"):
        text = (
            f"{_names(similar)} was trained for MS-SSIM: it spends its bits where that measure looks, and its PSNR is "
            "lower than that of a model of the same kind trained for the squared error."
        )
        yield Finding("warning", "Tuned for MS-SSIM", text)
    if mixed := _with_option(comparison, "objective", "mixed"):
        text = (
            f"{_names(mixed)} was fitted for a mixture of squared error and MS-SSIM; most codecs aim at squared "
            "error alone."
        )
        yield Finding("note", "Tuned for both measures", text)


def _header(comparison: Comparison) -> Iterator[Finding]:
    for column in comparison.columns:
        shares = [
            (row.header_bytes or 0) / row.num_bytes
            for row in _good(comparison, column.codec)
            if row.header_bytes is not None and row.num_bytes
        ]
        heavy = [share for share in shares if share > HEADER_SHARE]
        if heavy:
            text = (
                f"In {len(heavy)} of {len(shares)} files of {column.label} more than {100 * HEADER_SHARE:g} % carry no "
                f"picture data (up to {100 * max(heavy):.1f} %). All of it counts in the file size; on larger pictures "
                "its share shrinks."
            )
            yield Finding("note", f"{column.label}: header share", text)


def _residual(comparison: Comparison) -> Iterator[Finding]:
    aim = comparison.aim
    for column in comparison.columns:
        all_of = [(row.residual, row) for row in _good(comparison, column.codec)]
        off = [(value, row) for value, row in all_of if abs(value) > aim.tolerance]
        if off:
            worst, row = max(off, key=lambda pair: abs(pair[0]))
            mean = sum(value for value, _ in all_of) / len(all_of)
            more, less = ("larger", "smaller") if aim.of_size else ("better", "worse")
            allowed = f"{aim.tolerance:g} {aim.unit}".rstrip()
            text = (
                f"{len(off)} of {len(all_of)} files of {column.label} miss the {aim.label} by more than {allowed}; "
                f"the worst by {residual(worst, aim, sign=True)} ({row.image}, {row.point}). On average its files are "
                f"{residual(abs(mean), aim)} {more if mean > 0 else less} than asked for."
            )
            without = [row for _, row in off if basis(row, aim.tolerance) is Basis.NONE]
            between = sum(basis(row, aim.tolerance) is Basis.INTERPOLATED for _, row in off)
            if between:
                what = "PSNR and MS-SSIM" if aim.of_size else "the size"
                text += (
                    f" {between} of these count with {what} interpolated at the {aim.label}, between this file and "
                    "the codec's next one on the other side of it."
                )
            if without:
                text += f" {len(without)} have no such value and do not count."
            if older := sum(lacks_neighbour(row, aim.tolerance) for row in without):
                text += f" An older version made {older} of them: the same isorate run command again adds the value."
            yield Finding("warning" if without or not between else "note", f"{column.label}: {aim.label} not met", text)


def _sources(comparison: Comparison) -> Iterator[Finding]:
    if lossy := [image.name for image in comparison.images if image.lossy]:
        text = (
            f"The source of {_names(lossy)} is itself a lossy file. A codec of the same family can reproduce its "
            "artefacts cheaply."
        )
        yield Finding("warning", "Lossy source", text)


def _conversions(comparison: Comparison) -> Iterator[Finding]:
    told: dict[str, list[str]] = {}
    for image in comparison.images:
        for note in image.notes:
            told.setdefault(note, []).append(image.name)
    unmanaged = [f"{_names(names)}: {note}" for note, names in told.items() if note.startswith(UNMANAGED)]
    if unmanaged:
        text = f"{'; '.join(unmanaged)}. All codecs see the same samples; metrics weigh their errors as if sRGB."
        yield Finding("warning", "Colour not managed", text)
    if converted := [f"{_names(names)}: {note}" for note, names in told.items() if not note.startswith(UNMANAGED)]:
        yield Finding(
            "note", "Converted sources", f"{'; '.join(converted)}. The converted picture is the original here."
        )


def _too_small(comparison: Comparison) -> Iterator[Finding]:
    if small := sorted({row.image for row in comparison.rows if row.ok and row.ms_ssim is None}):
        text = (
            f"MS-SSIM is not defined for {_names(small)}: five scales need both sides above 160 pixels. "
            "Means leave these images out."
        )
        yield Finding("note", "Images too small for MS-SSIM", text)


def _not_defined(comparison: Comparison) -> Iterator[Finding]:
    for entry in comparison.manifest.more_metrics:
        # A row from before the metric was asked for has no such key.
        measured = [row for row in comparison.rows if row.ok and entry.name in row.metrics]
        without = [row for row in measured if row.metrics[entry.name] is None]
        if not without:
            continue
        cells = {(row.image, row.point) for row in without}
        title, said = f"{entry.label} not defined", f"{entry.label} is not defined for"
        if len(without) == sum((row.image, row.point) in cells for row in measured):
            whose = _names(sorted({row.image for row in without}))
            yield Finding("note", title, f"{said} {whose}. Means leave these out, of every codec.")
            continue
        images = {
            column.label: sorted({row.image for row in without if row.codec == column.codec})
            for column in comparison.columns
        }
        whose = ", ".join(f"{label} ({_names(names)})" for label, names in images.items() if names)
        means = "Means leave these images out, of every codec; a difference needs the anchor's value, too."
        yield Finding("warning", title, f"{said} files of {whose}. {means}")


def _backends(comparison: Comparison) -> Iterator[Finding]:
    for column in comparison.columns:
        counts = Counter(row.backend for row in comparison.rows if row.codec == column.codec and row.backend)
        if len(counts) > 1:
            parts = ", ".join(f"{backend} ({_count(count, 'file')})" for backend, count in sorted(counts.items()))
            text = f"The files of {column.label} were made and decoded by different programs: {parts}."
            yield Finding("warning", f"{column.label}: several back ends", text)


def _failures(comparison: Comparison) -> Iterator[Finding]:
    for column in comparison.columns:
        failed = [row.image for row in comparison.rows if row.codec == column.codec and not row.ok]
        if failed:
            names = _names(sorted(set(failed)))
            cells = _count(len(failed), "cell")
            text = f"{cells} of {column.label} failed ({names}). Means leave these images out, of every codec."
            yield Finding("warning", f"{column.label}: failures", text)


def _missing(comparison: Comparison) -> Iterator[Finding]:
    if comparison.unfinished is None:
        return
    manifest = comparison.manifest
    columns = {column.codec for column in comparison.columns}
    images = {image.name for image in comparison.images}
    parts = [f"The run is {comparison.unfinished}."]
    for what, names, there in (("image", manifest.image_names, images), ("codec", manifest.codec_names, columns)):
        if none := [name for name in names if name not in there]:
            parts.append(f"Nothing is there yet of {_count(len(none), what)}: {_names(none)}.")
    parts.append("Codecs are averaged over different images until it is finished: run the same command again.")
    yield Finding("warning", "Unfinished run", " ".join(parts))


def _lost(comparison: Comparison) -> Iterator[Finding]:
    if comparison.lost:
        places = sorted(comparison.lost)
        text = (
            f"{_count(len(places), 'picture')} of the run cannot be shown ({_names(places)}); their numbers stand as "
            f"they were measured. The first: {comparison.lost[places[0]]}."
        )
        yield Finding("warning", "Pictures missing", text)


def _notes(comparison: Comparison) -> Iterator[Finding]:
    for column in comparison.columns:
        rows = (row for row in comparison.rows if row.codec == column.codec)
        texts = [part.split(":")[0] for row in rows for part in row.note.split("; ") if part]
        notes = Counter(text for text in texts if text != "outside tolerance")  # that has a rule of its own
        if notes:
            text = "; ".join(f"{note} in {_count(count, 'cell')}" for note, count in sorted(notes.items()))
            yield Finding("note", f"{column.label}: notes of the match", text + ".")


def _sample(comparison: Comparison) -> Iterator[Finding]:
    if len(comparison.images) < FEW_IMAGES:
        count = len(comparison.images)
        text = f"The data set has {_count(count, 'image')}. That shows what happens there, not which codec is better."
        if count > 1:
            text += " Intervals are wide, and true as far as the images' differences follow a normal distribution."
        yield Finding("note", "Few images", text)


_RULES: tuple[Callable[[Comparison], Iterator[Finding]], ...] = (
    _missing, _lost, _failures, _residual, _chroma, _entropy, _wavelet, _objective,
    _backends, _sources, _conversions, _header, _too_small, _not_defined, _notes, _sample,
)  # fmt: skip

CHECKED = (
    "missing and failed cells, lost pictures, rates against the tolerance, chroma sampling, entropy coding options, "
    "wavelet and colour transform, what a learned codec was trained for, back ends, lossy and converted sources, "
    "header shares, images too small for MS-SSIM, further metrics that are not defined, notes of the "
    "matches, sample size"
)
"""What :func:`check` looks at, for a reader of an empty list."""
