import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate.files.toml import TomlFile
from isorate.gate.accept import make_baseline
from isorate.gate.baseline import Baseline
from isorate.gate.check import check
from isorate.gate.findings import Checked, Kind, Verdict
from isorate.gate.formats import correction
from isorate.gate.tolerances import Override, Tolerance, Tolerances, read_tolerances
from isorate.runs.folder import Run
from isorate.runs.row import Neighbour, Row


def kinds(checked: Checked) -> list[tuple[Kind, str, str]]:
    return [(f.kind, f.image, f.codec) for f in checked.findings]


def metrics(checked: Checked) -> list[str]:
    return [f.figure.metric for f in checked.of(Kind.WORSE) if f.figure]


def test_an_unchanged_run_passes(against: Callable[..., Checked]) -> None:
    checked = against(images=24)
    assert checked.verdict is Verdict.PASS
    assert len(checked.rows) == 96
    assert all(row.same_stream for row in checked.rows)
    assert not checked.findings
    assert not correction(checked)


@pytest.mark.parametrize(("loss", "verdict"), [(0.05, Verdict.REGRESSION), (0.005, Verdict.PASS)])
def test_a_loss_of_psnr_in_one_image(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]], loss: float, verdict: Verdict
) -> None:
    checked = against(only(psnr=lambda v: v - loss), images=24)
    assert checked.verdict is verdict
    assert kinds(checked) == ([(Kind.WORSE, "kodim02", "jpeg")] if verdict is Verdict.REGRESSION else [])


def test_ms_ssim_and_rate_are_guarded_too(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    assert metrics(against(only(ms_ssim=lambda v: v - 0.001))) == ["ms_ssim"]
    # more bits and the quality that goes with them: on the codec's curve, but the rate rose
    checked = against(only(num_bytes=lambda v: round(v * 1.05), psnr=lambda v: v + 0.3, ms_ssim=lambda v: v + 0.003))
    assert metrics(checked) == ["bpp"]


def test_improvements_are_told_apart_and_pass(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    checked = against(only(psnr=lambda v: v + 0.5))
    assert kinds(checked) == [(Kind.BETTER, "kodim02", "jpeg")]
    assert checked.verdict is Verdict.PASS


def test_a_smaller_file_with_the_quality_of_its_rate_is_no_regression(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    # 0.9 % fewer bytes cost 3 · log2(0.991) = 0.039 dB by the default slope: nearly twice the tolerance
    moved = only(num_bytes=lambda v: round(v * 0.991), psnr=lambda v: v - 0.039)
    checked = against(moved)
    assert checked.verdict is Verdict.PASS
    assert "3 dB" in correction(checked)
    assert "kodim02, jpeg" in correction(checked)
    psnr = next(f for row in checked.rows if row.slope_from for f in row.figures if f.metric == "psnr")
    assert psnr.change == pytest.approx(0, abs=0.001)
    assert "at equal rate" in psnr.text


def test_more_bits_do_not_hide_a_loss(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    checked = against(only(num_bytes=lambda v: round(v * 1.009)))
    assert metrics(checked) == ["psnr", "ms_ssim"]


def test_the_slope_comes_from_the_runs_own_points_where_there_are_some(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    points, rates = ("bpg-qp37", "bpg-qp34"), (1.0, 1.5)
    checked = against(points=points, rates=rates, edit=only(num_bytes=lambda v: round(v * 0.99)))
    moved = [row for row in checked.rows if row.slope_from]
    assert {row.slope_from for row in moved} == {"points"}
    gained = 2 / math.log2(1.5)  # dB a doubling, by the fixture
    assert moved[0].figures[0].corrected == pytest.approx(gained * math.log2(0.99), rel=0.01)
    assert "operating points" in correction(checked)


def test_a_row_with_a_neighbour_is_held_against_the_measured_line(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]], make_run: Callable[..., Run]
) -> None:
    # another knob value: 12 % more bytes and 0.5 dB; the baseline's file is its neighbour
    def stepped(row: Row) -> Row:
        beside = Neighbour(knob=37, num_bytes=row.num_bytes or 1, psnr=row.psnr, ms_ssim=row.ms_ssim, stream="",
                           stream_sha256="", decoded_sha256="")  # fmt: skip
        psnr = (row.psnr or 0) + 0.5
        return replace(row, num_bytes=round((row.num_bytes or 0) * 1.12), psnr=psnr, neighbour=beside)

    checked = against(lambda row: stepped(row) if row.key[::2] == ("kodim02", "jpeg") else row)
    moved = next(row for row in checked.rows if row.slope_from)
    assert moved.slope_from == "neighbour"
    psnr = next(figure for figure in moved.figures if figure.metric == "psnr")
    assert psnr.change == pytest.approx(0, abs=1e-9)
    assert "between the row's two files" in correction(checked)
    made = make_baseline(make_run("stepped", stepped, images=1))
    assert {row.slope_from for row in made.rows} == {"neighbour"}
    assert made.rows[0].psnr_slope == pytest.approx(0.5 / math.log2(1.12), abs=0.01)


def capped(row: Row, share: float = 0.5, **fields: Any) -> Row:
    """Return a row whose codec makes no file as large as it was asked for, with a quality above its old curve's."""
    size = round(share * (row.num_bytes or 0))
    return replace(row, num_bytes=size, target_bpp=8 * 10_000 / (768 * 512), residual_pct=100 * (share - 1), psnr=30.0,
                   ms_ssim=None, note="unreachable: this is the largest file the knob can give", **fields)  # fmt: skip


def test_a_rate_that_is_no_longer_reached_is_no_improvement(make_run: Callable[..., Run]) -> None:
    def small(row: Row) -> Row:
        return replace(row, ms_ssim=None)

    def edit(row: Row) -> Row:
        return capped(row) if row.key[::2] == ("kodim02", "jpeg2000") else small(row)

    before = make_baseline(make_run("before", small, images=2))
    checked = check(make_run("after", edit, images=2), before, Tolerances())
    assert kinds(checked) == [(Kind.BETTER, "kodim02", "jpeg2000"), (Kind.RATE, "kodim02", "jpeg2000")]
    assert checked.verdict is Verdict.REGRESSION
    assert "50.0 % below the rate, with no file above it" in checked.findings[1].text
    # what never came to the rate loses nothing, and a file on the other side keeps the comparison at equal rate
    never = make_baseline(make_run("never", lambda row: replace(capped(row, 0.6), note=""), images=2))
    bpg = next(row for row in before.rows if row.codec == "bpg")
    anchors = tuple(bpg if row.key == bpg.key else row for row in never.rows)
    again = check(make_run("again", lambda r: capped(r) if r.codec == "jpeg" else r, images=1),
                  replace(never, rows=anchors), Tolerances())  # fmt: skip
    assert Kind.RATE not in {finding.kind for finding in again.findings}
    beside = Neighbour(knob=36, num_bytes=11_200, psnr=32.5, ms_ssim=None, stream="", stream_sha256="",
                       decoded_sha256="")  # fmt: skip
    between = {"psnr": 30 + 2.5 * math.log(2) / math.log(2.24), "ms_ssim": None}
    kept = check(make_run("kept", lambda r: capped(r, neighbour=beside, equal_rate=between) if r.codec == "jpeg" else r,
                          images=2), before, Tolerances())  # fmt: skip
    assert Kind.RATE not in {finding.kind for finding in kept.findings}


def test_files_of_the_baselines_size_are_not_corrected(make_run: Callable[..., Run]) -> None:
    def beside(row: Row) -> Row:
        there = Neighbour(knob=36, num_bytes=11_200, psnr=32.5, ms_ssim=0.953, metrics={"ciede2000": 1.9}, stream="",
                          stream_sha256="", decoded_sha256="")  # fmt: skip
        # values that do not come back to the last digit from decibels
        return replace(row, ms_ssim=0.976931, metrics={"ciede2000": 2.013}, neighbour=there)

    def measured(said: dict[str, Any]) -> None:
        said["more_metrics"] = [{"name": "ciede2000", "label": "ΔE2000", "larger_is_better": False, "scale": "error"}]

    before = make_baseline(make_run("before", beside, measured, images=1))
    checked = check(make_run("after", beside, measured, images=1), before,
                    Tolerances(overrides=(Override(Tolerance()),)))  # fmt: skip
    assert not checked.findings
    assert {(figure.corrected, figure.change) for row in checked.rows for figure in row.figures} == {(0.0, 0.0)}


def test_missing_new_and_failed_rows_are_findings(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]], make_run: Callable[..., Run]
) -> None:
    gone = against(lambda r: None if (r.image, r.codec) == ("kodim01", "jpeg") else r)
    assert kinds(gone) == [(Kind.MISSING, "kodim01", "jpeg")]
    assert gone.verdict is Verdict.REGRESSION
    failed = against(only(status="failed: it crashed", num_bytes=None, psnr=None, ms_ssim=None))
    assert kinds(failed) == [(Kind.FAILED, "kodim02", "jpeg")]
    assert "it crashed" in failed.findings[0].text
    assert failed.verdict is Verdict.REGRESSION


def test_new_rows_pass_and_are_told(make_run: Callable[..., Run]) -> None:
    from isorate.gate.accept import make_baseline
    from isorate.gate.check import check
    from isorate.gate.tolerances import Tolerances

    def without(said: dict[str, Any]) -> None:
        said["codecs"] = [codec for codec in said["codecs"] if codec["name"] != "learned"]

    old = make_run("old", lambda r: None if r.codec == "learned" else r, without, images=1)
    checked = check(make_run("new", images=1), make_baseline(old), Tolerances())
    assert kinds(checked) == [(Kind.NEW, "kodim01", "learned")]
    assert checked.verdict is Verdict.PASS


def test_changed_pictures_are_findings_and_are_not_compared(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    def change(said: dict[str, Any]) -> None:
        said["dataset"]["images"][0]["sha256"] = "another"

    checked = against(change=change)
    assert kinds(checked) == [(Kind.DATA, "kodim01", "")]
    assert checked.verdict is Verdict.REGRESSION
    assert {row.image for row in checked.rows} == {"kodim02"}

    def broken(said: dict[str, Any]) -> None:
        said["dataset"]["images"][0] = {"name": "kodim01", "error": "damaged image"}

    assert "damaged image" in against(change=broken).findings[0].text


def test_other_options_and_policies_are_findings(against: Callable[..., Checked]) -> None:
    def change(said: dict[str, Any]) -> None:
        said["policy"] = "at-most"
        said["codecs"][1]["options"] = {"chroma": "420"}

    texts = [f.text for f in against(change=change).of(Kind.CONFIGURATION)]
    assert texts == ["policy was nearest, is at-most", "options were chroma=444, are chroma=420"]


def test_another_jpeg_library_is_a_tool_chain_change(
    against: Callable[..., Checked],
    only: Callable[..., Callable[[Row], Row]],
    new_backend: Callable[[str, str], Callable[[dict[str, Any]], object]],
) -> None:
    upgrade = new_backend("jpeg", "libjpeg-turbo 3.3.0")
    same = against(change=upgrade)
    assert same.verdict is Verdict.TOOL_CHAIN
    assert same.changes[0].text == "jpeg's back end: libjpeg-turbo 3.2.0 → libjpeg-turbo 3.3.0"
    worse = against(only(psnr=lambda v: v - 1), upgrade)
    assert worse.verdict is Verdict.TOOL_CHAIN
    assert "3.3.0" in worse.findings[0].explained


def made_by(codec: str, **identity: str) -> Callable[[dict[str, Any]], None]:
    """Return a manifest change that gives a codec an identity."""

    def change(said: dict[str, Any]) -> None:
        next(c for c in said["codecs"] if c["name"] == codec)["identity"] = identity

    return change


@pytest.mark.parametrize(("identity", "verdict"), [
    ({"encode": "e", "decode": "d", "programs": "script"}, Verdict.REGRESSION),
    ({"encode": "E", "decode": "D", "programs": "script"}, Verdict.REGRESSION),  # the adapter's code: what is guarded
    ({"encode": "E", "decode": "d", "programs": "another script"}, Verdict.TOOL_CHAIN),
    ({}, Verdict.REGRESSION),  # a run of a version that recorded none
])  # fmt: skip
def test_other_programs_and_scripts_are_another_tool_chain_and_other_code_is_not(
    make_run: Callable[..., Run],
    only: Callable[..., Callable[[Row], Row]],
    tmp_path: Path,
    identity: dict[str, str],
    verdict: Verdict,
) -> None:
    recorded = made_by("jpeg", encode="e", decode="d", programs="script")
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", change=recorded, images=2)).write(file)
    after = make_run("after", only(psnr=lambda v: v - 0.5), made_by("jpeg", **identity), images=2)
    checked = check(after, Baseline.read(file), Tolerances())
    assert checked.verdict is verdict
    explained = "jpeg's programs and scripts: script → another scri" if verdict is Verdict.TOOL_CHAIN else ""
    assert [finding.explained for finding in checked.of(Kind.WORSE)] == [explained]


def test_a_baseline_without_programs_is_compared_by_back_ends_as_before(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    file = tmp_path / "baseline.json"
    make_baseline(make_run("before", images=2)).write(file)
    assert "programs" not in file.read_text()
    after = make_run("after", change=made_by("jpeg", encode="e", decode="d", programs="script"), images=2)
    assert check(after, Baseline.read(file), Tolerances()).verdict is Verdict.PASS


def test_another_jpeg_library_does_not_excuse_jpeg2000(
    against: Callable[..., Checked],
    only: Callable[..., Callable[[Row], Row]],
    new_backend: Callable[[str, str], Callable[[dict[str, Any]], object]],
) -> None:
    checked = against(only(codec="jpeg2000", psnr=lambda v: v - 1), new_backend("jpeg", "libjpeg-turbo 3.3.0"))
    assert checked.verdict is Verdict.REGRESSION


def test_another_anchor_excuses_the_others_only_where_it_moved_the_rate(
    against: Callable[..., Checked], new_backend: Callable[[str, str], Callable[[dict[str, Any]], object]]
) -> None:
    upgrade = new_backend("bpg", "x265 5.0")

    def edit(r: Row) -> Row:
        from dataclasses import replace

        if r.image == "kodim01" and r.codec == "bpg":
            return replace(r, num_bytes=10_100, psnr=32.1)
        assert r.psnr is not None
        return replace(r, psnr=r.psnr - 1) if r.codec == "jpeg" else r

    checked = against(edit, upgrade)
    assert [(f.image, bool(f.explained)) for f in checked.of(Kind.WORSE) if f.codec == "jpeg"] == [
        ("kodim01", True), ("kodim02", False),
    ]  # fmt: skip
    assert checked.verdict is Verdict.REGRESSION


def test_a_metrics_library_explains_every_row_and_ours_none(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    worse = only(psnr=lambda v: v - 1)
    assert against(worse, lambda said: said["versions"].update(torch="3.0")).verdict is Verdict.TOOL_CHAIN
    assert against(worse, lambda said: said["versions"].update(pillow="14.0")).verdict is Verdict.REGRESSION
    assert against(change=lambda said: said["versions"].update(pillow="14.0")).verdict is Verdict.TOOL_CHAIN
    assert against(worse, lambda said: said["versions"].update(isorate="9")).verdict is Verdict.REGRESSION
    assert against(change=lambda said: said["versions"].update(isorate="9", python="3.14")).verdict is Verdict.PASS


def test_a_codec_that_is_not_there_is_a_failure_not_a_tool_chain_change(
    against: Callable[..., Checked],
    only: Callable[..., Callable[[Row], Row]],
    new_backend: Callable[[str, str], Callable[[dict[str, Any]], object]],
) -> None:
    gone = only(status="failed: install it", num_bytes=None, psnr=None)
    assert against(gone, new_backend("jpeg", "")).verdict is Verdict.REGRESSION


def test_identical_pictures_must_stay_identical(
    make_run: Callable[..., Run], only: Callable[..., Callable[[Row], Row]]
) -> None:
    from isorate.gate.accept import make_baseline
    from isorate.gate.check import check
    from isorate.gate.tolerances import Tolerances

    lossless = only(psnr=math.inf, ms_ssim=1.0)
    before = make_baseline(make_run("a", lossless, images=2))
    larger = only(psnr=math.inf, ms_ssim=1.0, num_bytes=10_050)
    assert check(make_run("b", larger, images=2), before, Tolerances()).verdict is Verdict.PASS
    checked = check(make_run("c", only(psnr=70.0, ms_ssim=1.0), images=2), before, Tolerances())
    assert metrics(checked) == ["psnr"]


def test_tolerances_by_codec_metric_and_image(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    text = """
[tolerances.psnr]
absolute = 0.1
[[tolerances.override]]
codec = "jpeg"
image = "kodim0*"
metric = "psnr"
relative = 0.05
[[tolerances.override]]
codec = "jpeg"
image = "kodim01"
absolute = 0.0
"""
    read = read_tolerances(TomlFile(text, "t.toml"))
    assert read.of("bpg", "psnr", "kodim02").absolute == 0.1
    assert read.of("bpg", "ms_ssim", "kodim02").absolute == 0.0002
    assert read.of("jpeg", "psnr", "kodim02").allowed(30) == 1.5
    assert read.of("jpeg", "psnr", "kodim01").allowed(30) == 0
    assert against(only(psnr=lambda v: v - 1.2), tolerances=read).verdict is Verdict.PASS
    assert against(only("kodim01", psnr=lambda v: v - 0.01), tolerances=read).verdict is Verdict.REGRESSION


@pytest.mark.parametrize(("text", "said"), [
    ("[tolerances.psrn]\nabsolute = 1", "t.toml:1: no key 'psrn' in [tolerances]; did you mean 'psnr'?"),
    ("\n[tolerances.psnr]\nabsolut = 1", "t.toml:3: no key 'absolut' in [tolerances.psnr]; did you mean 'absolute'?"),
    ("[tolerances]\npsnr = 1", "t.toml:2: psnr is 1; a table is needed: [psnr]"),
    ("[tolerances.psnr]\nrelative = -1", "t.toml:2: relative is -1; a number from 0 on is needed"),
    ("[tolerances.psnr]\nrelative = true", "t.toml:2: relative is True; a number from 0 on is needed"),
    ("[[tolerances.override]]\nabsolute = 1\n[[tolerances.override]]\nmetric = 'snr'\nabsolute = 1",
     "t.toml:4: metric 'snr' is none of psnr, ms_ssim, bpp"),
    ("[[tolerances.override]]\ncodec = 'a'", "t.toml:1: an override needs absolute or relative"),
    ("[[tolerances.override]]\ncodec = 3\nabsolute = 1", "t.toml:2: codec is 3; a name or a pattern"),
    ("[tolerances]\noverride = 3", "t.toml:2: override is written as"),
    ("a = [\n", "t.toml:"),
])  # fmt: skip
def test_unusable_tolerances_name_the_line_and_the_nearest_key(text: str, said: str) -> None:
    from isorate.errors import UsageError

    with pytest.raises(UsageError) as error:
        read_tolerances(TomlFile(text, "t.toml"))
    assert str(error.value).startswith(said)


def test_a_row_without_numbers_is_a_finding(
    against: Callable[..., Checked], only: Callable[..., Callable[[Row], Row]]
) -> None:
    checked = against(only(num_bytes=None))
    assert kinds(checked) == [(Kind.FAILED, "kodim02", "jpeg")]
    assert "damaged" in checked.findings[0].text
