"""A check's outcome in the formats that a CI reads: JUnit XML and GitHub's annotations."""

import re
import xml.etree.ElementTree as ET  # only written, never parsed
from collections import defaultdict

from isorate.gate.findings import FAILING, Checked, Finding, Kind, Verdict

TOOL_CHAIN_CASE = "tool chain"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
    lines.append(f"isorate check: {checked.verdict}")
    return "\n".join(lines) + "\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
