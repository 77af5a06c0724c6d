"""A check's outcome for the terminal, a pull request, a script, and for a CI as JUnit XML and GitHub's annotations."""

import json
import math
import re
import xml.etree.ElementTree as ET  # only written, never parsed
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from isorate.gate.check import DEFAULT_SLOPE
from isorate.gate.findings import ALWAYS, FAILING, Checked, CheckedRow, Finding, Kind, Measure, Verdict
from isorate.gate.slopes import DEFAULT_MS_SSIM, DEFAULT_PSNR, NEIGHBOUR
from isorate.pictures.names import printable

Format = Literal["table", "markdown", "junit", "github", "json"]
BY_SUFFIX: dict[str, Format] = {".txt": "table", ".md": "markdown", ".xml": "junit", ".json": "json"}

SAID = {
    Verdict.PASS: "nothing got worse beyond the tolerances",
    Verdict.REGRESSION: "rows got worse, or cannot be compared, with nothing in the tool chain to explain it",
    Verdict.TOOL_CHAIN: "codecs or libraries are not those of the baseline",
}
SLOPES = {
    "points": "from the run's own operating points",
    NEIGHBOUR: "between the row's two files around the baseline's size, or its neighbour when the baseline was written",
    "probe": "measured by a second encode when the baseline was written",
    DEFAULT_SLOPE: f"by default {DEFAULT_PSNR:g} dB, and {DEFAULT_MS_SSIM:g} of what MS-SSIM lacks to 1, a doubling",
}
TOOL_CHAIN_CASE = "tool chain"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKS = {Verdict.PASS: "✅", Verdict.REGRESSION: "❌", Verdict.TOOL_CHAIN: "🔧"}


def render(checked: Checked, form: Format) -> str:
    """Return the outcome in one of the formats."""
    makers: dict[Format, Callable[[Checked], str]] = {
        "table": table, "markdown": markdown, "junit": junit, "github": github, "json": to_json,
    }  # fmt: skip
    return makers[form](checked)


def form_of(path: Path) -> Format | None:
    """Return the format that a file's ending names."""
    return BY_SUFFIX.get(path.suffix.lower())


def sections(checked: Checked) -> list[tuple[str, list[Finding]]]:
    """Return the findings under their headings, the worst first."""
    failing = checked.of(*FAILING)
    return [
        ("Regressions", [finding for finding in failing if not finding.explained]),
        ("Worse, and the tool chain changed", [finding for finding in failing if finding.explained]),
        ("Improvements", checked.of(Kind.BETTER)),
        ("New rows", checked.of(Kind.NEW)),
    ]


def correction(checked: Checked) -> str:
    """Return how many rows were brought to equal rate, and along which slopes; empty when none was."""
    moved = [row for row in checked.rows if row.slope_from]
    if not moved:
        return ""
    largest = max(moved, key=lambda row: abs(row.rate_change_pct))
    sources = "; ".join(f"{count} {SLOPES[name]}" for name, count in Counter(row.slope_from for row in moved).items())
    unknown = Counter(name for row in moved for name in row.uncorrected)
    without = "".join(
        f"; {name} is not corrected in {count} of them, where nobody measured its slope"
        for name, count in unknown.items()
    )
    return (
        f"{len(moved)} of {len(checked.rows)} rows have another rate than the baseline (the largest change: "
        f"{largest.rate_change_pct:+.2f} %, {largest.image}, {largest.codec}); metrics are corrected to equal rate "
        f"along each row's slope: {sources}{without}"
    )


def table(checked: Checked) -> str:
    """Return the outcome for a terminal."""
    lines = [f"{checked.verdict.upper()}: {SAID[checked.verdict]}", _counted(checked)]
    lines += [*([f"The run is {checked.unfinished}."] if checked.unfinished else []), ""]
    if checked.changes:
        lines += ["Tool chain", *(f"  {change.text}" for change in checked.changes), ""]
    for title, findings in sections(checked):
        if findings:
            lines += [title]
            width = max(len(finding.where) for finding in findings)
            lines += [f"  {f.where:{width}}  {_kind(f)}{f.text}" for f in findings]
            lines += [f"  explained by {text}" for text in dict.fromkeys(f.explained for f in findings if f.explained)]
            lines += [""]
    shown = _measures(checked)
    heads = "".join(f"{some.head:>{width}}" for some, width in zip(shown, _widths(shown), strict=True))
    head = f"{'codec':28}{'rows':>5}{'same file':>10}{heads}   mean change"
    lines += [head, *(_codec_line(name, rows, shown) for name, rows in _by_codec(checked).items())]
    if text := correction(checked):
        lines += ["", text]
    return "\n".join(map(printable, lines)) + "\n"


def _kind(finding: Finding) -> str:
    return "" if finding.kind in (Kind.WORSE, Kind.BETTER, Kind.NEW) else f"{finding.kind}: "


def _counted(checked: Checked) -> str:
    same = sum(row.same_stream for row in checked.rows)
    against = f" against {checked.baseline}" if checked.baseline else ""
    return f"{checked.run}{against}: {len(checked.rows)} rows compared, {same} of them byte for byte the same file"


def _by_codec(checked: Checked) -> dict[str, list[CheckedRow]]:
    found: dict[str, list[CheckedRow]] = {}
    for row in checked.rows:
        found.setdefault(row.codec, []).append(row)
    return found


def _measures(checked: Checked) -> list[Measure]:
    """Return what is guarded: PSNR, MS-SSIM and the rate, then the further metrics."""
    found = {figure.metric: figure.about for row in checked.rows for figure in row.figures}
    return list(({some.name: some for some in ALWAYS} | found).values())


def _widths(shown: list[Measure]) -> list[int]:
    return [max(10 + (some.digits > 5), len(some.head) + 2) for some in shown]


def _mean(rows: list[CheckedRow], metric: str) -> float | None:
    changes = [f.change for row in rows for f in row.figures if f.metric == metric and math.isfinite(f.change)]
    return sum(changes) / len(changes) if changes else None


def _cells(rows: list[CheckedRow], shown: list[Measure]) -> list[str]:
    means = [(_mean(rows, some.name), some.digits) for some in shown]
    return [
        str(len(rows)),
        str(sum(row.same_stream for row in rows)),
        *("–" if mean is None else f"{mean:+.{digits}f}" for mean, digits in means),
    ]


def _codec_line(name: str, rows: list[CheckedRow], shown: list[Measure]) -> str:
    widths = (5, 10, *_widths(shown))
    return f"{name:28}" + "".join(f"{cell:>{width}}" for cell, width in zip(_cells(rows, shown), widths, strict=True))


def markdown(checked: Checked) -> str:
    """Return the outcome for a comment on a pull request."""
    lines = [f"### {_MARKS[checked.verdict]} isorate: {checked.verdict}", "", f"{SAID[checked.verdict].capitalize()}."]
    if checked.unfinished:
        lines += ["", f"The run is **{checked.unfinished}**."]
    shown = _measures(checked)
    heads = " | ".join(f"Δ{_md(some.head)}" for some in shown)
    lines += ["", f"| codec | rows | same file | {heads} |", f"| :-- | --: | --: |{' --: |' * len(shown)}"]
    lines += [f"| {_md(name)} | {' | '.join(_cells(rows, shown))} |" for name, rows in _by_codec(checked).items()]
    if checked.changes:
        lines += ["", "**Tool chain**", "", *(f"- {_md(change.text)}" for change in checked.changes)]
    for title, findings in sections(checked):
        if findings:
            lines += ["", f"**{title}** ({len(findings)})", "", "| where | what |", "| :-- | :-- |"]
            lines += [f"| {_md(f.where)} | {_md(_kind(f) + f.text)} |" for f in findings]
    if text := correction(checked):
        lines += ["", f"<sub>{_md(text)}.</sub>"]
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    text = printable(" ".join(text.split()))
    for char in "\\`*_<>|":
        text = text.replace(char, "\\" + char)
    return text


def to_json(checked: Checked) -> str:
    """Return the outcome as JSON; infinite values are null."""
    data = {
        "verdict": checked.verdict,
        "run": checked.run,
        "baseline": checked.baseline,
        "unfinished": checked.unfinished and asdict(checked.unfinished),
        "tool_chain": [{**asdict(change), "text": change.text} for change in checked.changes],
        "findings": [{**asdict(finding), "fails": finding.fails} for finding in checked.findings],
        "rows": [asdict(row) for row in checked.rows],
        "correction": correction(checked),
        "metrics": [some.name for some in _measures(checked)],
    }
    return json.dumps(_finite(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def junit(checked: Checked) -> str:
    """Return JUnit XML: a test case for each row of the baseline, and one for the tool chain.

    A case fails for what got worse or cannot be compared; what a change of the tool chain explains is a failure of
    that type, so that a CI can tell them apart.
    """
    cases: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for row in checked.rows:
        cases[row.codec, f"{row.image} {row.point}"] = []
    for finding in checked.findings:
        name = " ".join(part for part in (finding.image, finding.point) if part) or finding.kind
        cases[finding.codec or "isorate", name].append(finding)
    suite = ET.Element("testsuite", name="isorate check")
    for (codec, name), findings in cases.items():
        case = ET.SubElement(suite, "testcase", classname=_xml(f"isorate.{codec}"), name=_xml(name))
        failing = [finding for finding in findings if finding.kind in FAILING]
        if failing:
            kind = Verdict.TOOL_CHAIN if all(f.explained for f in failing) else Verdict.REGRESSION
            failure = ET.SubElement(case, "failure", type=kind, message=_xml("; ".join(f.text for f in failing)))
            failure.text = _xml("\n".join(f"{f.kind}: {f.text}{_because(f)}" for f in failing))
        if other := [finding for finding in findings if finding not in failing]:
            ET.SubElement(case, "system-out").text = _xml("\n".join(f"{f.kind}: {f.text}" for f in other))
    case = ET.SubElement(suite, "testcase", classname="isorate", name=TOOL_CHAIN_CASE)
    if checked.changes:
        text = "; ".join(change.text for change in checked.changes)
        ET.SubElement(case, "failure", type=Verdict.TOOL_CHAIN, message=_xml(text))
    suite.set("tests", str(len(suite)))
    if checked.unfinished:
        ET.SubElement(suite, "system-out").text = f"The run is {checked.unfinished}."
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _because(finding: Finding) -> str:
    return f" (explained by {finding.explained})" if finding.explained else ""


def _xml(text: str) -> str:
    return _NOT_XML.sub("�", text)


def github(checked: Checked) -> str:
    """Return GitHub's workflow commands: an annotation for each finding, at the row's line of the baseline."""
    lines = []
    for finding in checked.findings:
        level = "error" if finding.fails else "warning" if finding.explained else "notice"
        title = f"isorate: {finding.kind}" if finding.kind is not Kind.WORSE else "isorate: regression"
        if finding.explained:
            title = f"isorate: {Verdict.TOOL_CHAIN}"
        place = f"file={_property(checked.baseline)},line={finding.line}," if finding.line and checked.baseline else ""
        said = f"{finding.where}: {finding.text}{_because(finding)}"
        lines.append(f"::{level} {place}title={_property(title)}::{_message(said)}")
    for change in checked.changes:
        lines.append(f"::warning title={_property(f'isorate: {Verdict.TOOL_CHAIN}')}::{_message(change.text)}")
    if checked.unfinished:
        lines.append(f"::warning title={_property('isorate: unfinished')}::The run is {checked.unfinished}.")
    lines.append(f"isorate check: {checked.verdict}")
    return "\n".join(lines) + "\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
