"""Metrics beside PSNR and MS-SSIM in the gate: a value that got worse, was not measured, or has no tolerance."""

import json
import math
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.cli import main
from isorate.errors import RunError, UsageError
from isorate.files.toml import TomlFile
from isorate.gate.accept import make_baseline, write_baseline
from isorate.gate.baseline import Baseline
from isorate.gate.check import check
from isorate.gate.findings import Checked, Kind, Verdict
from isorate.gate.formats import correction, markdown, table, to_json
from isorate.gate.slopes import Measurement, between
from isorate.gate.tolerances import Tolerances, read_tolerances
from isorate.runs.folder import Run
from isorate.runs.manifest import MetricEntry
from isorate.runs.row import Row

ERROR = {
    "name": "ciede2000", "label": "ΔE2000", "larger_is_better": False, "scale": "error", "digits": 3,
    "tolerance": 0.005, "measured_on": "pixels", "implementation": "skimage 1",
}  # fmt: skip
SIMILARITY = {"name": "vmaf", "label": "VMAF", "digits": 2, "tolerance": 0.1, "measured_on": "Y", "implementation": "1"}
FIRST, SECOND = "bpg-qp37", "bpg-qp34"


def measured(**values: float | None) -> Callable[[Row], Row]:
    """Give rows these values; at the second point, of 1.5 times the rate, the error is halved and VMAF 10 larger."""

    def edit(row: Row) -> Row:
        error, vmaf = values.get("ciede2000", 2.0), values.get("vmaf", 80.0)
        if row.point == SECOND:
            error, vmaf = (None if error is None else error / 2), (None if vmaf is None else vmaf + 10)
        return replace(row, metrics={"ciede2000": error, "vmaf": vmaf})

    return edit


def both(said: dict[str, Any]) -> None:
    said["more_metrics"] = [ERROR, SIMILARITY]


@pytest.fixture
def held(make_run: Callable[..., Run], tmp_path: Path) -> Callable[..., Checked]:
    """Hold an edited run against the baseline of the unedited one, which was written and read."""
    points = {"points": (FIRST, SECOND), "rates": (1.0, 1.5), "images": 1}
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", measured(), both, **points)).write(file)

    def hold(edit: Callable[[Row], Row], change: Callable[[dict[str, Any]], None] = both) -> Checked:
        return check(make_run("after", edit, change, **points), Baseline.read(file), Tolerances())

    return hold


def test_an_unchanged_run_passes(held: Callable[..., Checked]) -> None:
    checked = held(measured())
    assert checked.verdict is Verdict.PASS
    assert not checked.findings
    assert [f.metric for f in checked.rows[0].figures] == ["psnr", "ms_ssim", "bpp", "ciede2000", "vmaf"]
    assert json.loads(to_json(checked))["metrics"] == ["psnr", "ms_ssim", "bpp", "ciede2000", "vmaf"]
    assert "ΔE2000" in table(checked).splitlines()[-5]
    assert "| ΔPSNR dB | ΔMS-SSIM | Δbpp | ΔΔE2000 | ΔVMAF |" in markdown(checked)


@pytest.mark.parametrize(("values", "worse", "better"), [
    ({"ciede2000": 2.02}, ["ciede2000"], []),
    ({"ciede2000": 1.98}, [], ["ciede2000"]),
    ({"vmaf": 79.5}, ["vmaf"], []),
    ({"vmaf": 81.0}, [], ["vmaf"]),
    ({"vmaf": 79.95, "ciede2000": 2.004}, [], []),
])  # fmt: skip
def test_each_gets_worse_in_its_own_direction(
    held: Callable[..., Checked], values: dict[str, float], worse: list[str], better: list[str]
) -> None:
    checked = held(measured(**values))
    assert sorted({f.figure.metric for f in checked.of(Kind.WORSE) if f.figure}) == worse
    assert sorted({f.figure.metric for f in checked.of(Kind.BETTER) if f.figure}) == better
    assert checked.verdict is (Verdict.REGRESSION if worse else Verdict.PASS)
    if values == {"ciede2000": 2.02}:
        assert checked.findings[0].text == "ΔE2000 2.00000 → 2.02000, +0.02000 (allowed 0.005)"


def test_they_are_brought_to_equal_rate_along_their_own_slopes(held: Callable[..., Checked]) -> None:
    def larger(row: Row) -> Row:
        assert row.num_bytes is not None
        return replace(measured()(row), num_bytes=round(1.005 * row.num_bytes))

    figures = {f.metric: f for f in held(larger).rows[0].figures}
    doublings = math.log2(10_050 / 10_000)
    assert figures["ciede2000"].corrected == pytest.approx(-1 / math.log2(1.5) * doublings, rel=1e-4)
    assert figures["vmaf"].corrected == pytest.approx(10 / math.log2(1.5) * doublings, rel=1e-4)


def test_a_slope_that_nobody_measured_corrects_nothing_and_is_said(
    make_run: Callable[..., Run], only: Callable[..., Callable[[Row], Row]]
) -> None:
    before = make_baseline(make_run("before", measured(), both, images=2))
    moved = only(num_bytes=10_050, psnr=lambda v: v + 0.03)
    checked = check(make_run("after", lambda r: moved(measured()(r)), both, images=2), before, Tolerances())
    assert [f.corrected for row in checked.rows for f in row.figures if f.metric == "vmaf"] == [0.0] * 8
    assert "vmaf is not corrected in 1 of them, where nobody measured its slope" in correction(checked)


def test_what_was_not_measured_is_no_pass(held: Callable[..., Checked]) -> None:
    def one(said: dict[str, Any]) -> None:
        said["more_metrics"] = [ERROR]

    with pytest.raises(RunError, match=r"the run has no vmaf \(VMAF\), which the baseline guards.*--metric vmaf"):
        held(measured(), one)
    with pytest.raises(RunError, match="kodim01, bpg has no ciede2000"):
        held(lambda row: row)

    def other(said: dict[str, Any]) -> None:
        said["more_metrics"] = [ERROR, {**SIMILARITY, "measured_on": "Y in video range"}]

    with pytest.raises(RunError, match="vmaf is measured on 'Y in video range', the baseline's on 'Y'"):
        held(measured(), other)
    undefined = held(measured(vmaf=None))
    assert undefined.verdict is Verdict.REGRESSION
    assert undefined.findings[0].text == "vmaf is defined on one side only"


@pytest.mark.parametrize("lacking", [["vmaf"], ["ciede2000", "vmaf"]])
def test_a_row_that_lost_its_metrics_is_no_pass(
    make_run: Callable[..., Run], tmp_path: Path, lacking: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", measured(), both, images=1)).write(file)
    data = json.loads(file.read_text())
    for name in lacking:
        del data["rows"][2]["metrics"][name]
    file.write_text(json.dumps(data))
    worse = make_run("after", measured(vmaf=1), both, images=1)
    assert main(["check", str(worse.path), "--baseline", str(file)]) == 3
    said = f"damaged baseline (the row of kodim01, {FIRST}, jpeg has no {', '.join(lacking)}); restore it"
    assert said in capsys.readouterr().err


def test_a_metric_that_is_not_defined_for_an_image_stays_a_value(make_run: Callable[..., Run], tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", measured(vmaf=None), both, images=1)).write(file)
    same = check(make_run("same", measured(vmaf=None), both, images=1), Baseline.read(file), Tolerances())
    assert same.verdict is Verdict.PASS


def test_the_command_ends_with_unusable_input(
    make_run: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", measured(), both, images=1)).write(file)
    after = make_run("after", images=1)
    assert main(["check", str(after.path), "--baseline", str(file)]) == 3
    assert "has no ciede2000" in capsys.readouterr().err


def test_a_metric_that_the_baseline_lacks_is_told(make_run: Callable[..., Run]) -> None:
    before = make_baseline(make_run("before", images=1))
    assert "metrics" not in before.text()
    checked = check(make_run("after", measured(), both, images=1), before, Tolerances())
    assert checked.verdict is Verdict.PASS
    assert [finding.text.split(",")[0] for finding in checked.of(Kind.NEW)] == [
        "metric ciede2000 is not in the baseline", "metric vmaf is not in the baseline",
    ]  # fmt: skip


def test_another_implementation_explains_its_own_metric_alone(held: Callable[..., Checked]) -> None:
    def newer(said: dict[str, Any]) -> None:
        said["more_metrics"] = [ERROR, {**SIMILARITY, "implementation": "2"}]

    explained = held(measured(vmaf=70), newer)
    assert explained.verdict is Verdict.TOOL_CHAIN
    assert explained.findings[0].explained == "VMAF's implementation: 1 → 2"
    assert held(measured(ciede2000=3), newer).verdict is Verdict.REGRESSION


def test_tolerances_come_with_the_metric_and_may_be_set(make_run: Callable[..., Run]) -> None:
    def own(said: dict[str, Any]) -> None:
        said["more_metrics"] = [ERROR, {**SIMILARITY, "tolerance": None}]

    before = make_baseline(make_run("before", measured(), own, images=1))
    after = make_run("after", measured(ciede2000=2.02), own, images=1)
    with pytest.raises(UsageError, match=r"metric vmaf states no tolerance.*\[tolerances.vmaf\]"):
        check(after, before, Tolerances())
    text = "[[tolerances.override]]\ncodec = '*'\nabsolute = 1\n"
    stated = read_tolerances(TomlFile(text, "t.toml"))
    assert check(after, before, stated).verdict is Verdict.PASS
    strict = read_tolerances(TomlFile(text + "[tolerances.ciede2000]\nabsolute = 0.01\n", "t.toml"))
    assert strict.of("jpeg", "ciede2000", "kodim01").absolute == 1  # an override counts before a metric's own
    assert (
        read_tolerances(TomlFile("[tolerances.flip]\nabsolute = 0.01", "t.toml")).of("a", "flip", "b").absolute == 0.01
    )


def test_identical_luma_stays_infinite(make_run: Callable[..., Run], tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", measured(vmaf=math.inf), both, images=1)).write(file)
    assert '"vmaf": "inf"' in file.read_text()
    same = check(make_run("same", measured(vmaf=math.inf), both, images=1), Baseline.read(file), Tolerances())
    assert same.verdict is Verdict.PASS
    worse = check(make_run("worse", measured(vmaf=90), both, images=1), Baseline.read(file), Tolerances())
    assert {f.figure.metric for f in worse.of(Kind.WORSE) if f.figure} == {"vmaf"}


def test_more_bits_make_no_error_larger() -> None:
    entry = MetricEntry(name="ciede2000", label="ΔE2000", larger_is_better=False)
    first, second = (Measurement(n, 30.0, 0.9, {"ciede2000": v}) for n, v in ((10_000, 2.0), (20_000, 2.5)))
    slope = between(first, second, [entry])
    assert slope
    assert slope.more == {"ciede2000": 0.0}


def test_slopes_are_measured_with_the_run_s_own_metrics(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = api.run(
        str(two_photos), tmp_path / "run", anchor="jpeg:mode=integer", codecs=[], points=["quality=30"],
        metrics=["psnr_y", "ciede2000"], executor=in_process,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as executor:
        made = make_baseline(run, executor=executor)
    for row in made.rows:
        slope, error = row.slopes["psnr_y"], row.slopes["ciede2000"]
        assert isinstance(slope, float)
        assert isinstance(error, float)
        assert 0.5 < slope < 8
        assert -3 < error < 0
    assert make_baseline(run, made) == made
    monkeypatch.setattr("isorate.gate.slopes.metric_identity", lambda name: "of another version")
    with ThreadPoolExecutor(1) as executor:
        bare = make_baseline(run, executor=executor)
    assert {tuple(row.slopes.values()) for row in bare.rows} == {(None, None)}
    assert {row.psnr_slope for row in bare.rows} == {row.psnr_slope for row in made.rows}
    file = tmp_path / "baseline.json"
    write_baseline(run, file, probe=False)
    assert check(run, Baseline.read(file), Tolerances()).verdict is Verdict.PASS
