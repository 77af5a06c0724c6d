"""Codecs that are driven to the anchor's quality: `isorate run --match`."""

import json
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image as PillowImage

import isorate
from isorate.cli import main
from isorate.codecs.base import Codec
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.webp import WebP
from isorate.engine.reproduce import Outcome, reproduce
from isorate.errors import MetricUnavailableError, RunError, UsageError
from isorate.gate.accept import write_baseline
from isorate.gate.baseline import Baseline
from isorate.gate.check import check
from isorate.gate.findings import Kind
from isorate.gate.tolerances import Tolerances
from isorate.image import Image
from isorate.matching.outcome import Match
from isorate.metrics import psnr
from isorate.runs.equal_rate import Basis, basis
from isorate.runs.folder import Run
from isorate.runs.row import Row

WHOLE = Jpeg(mode="integer", chroma="444")


def start(photos: Path, out: Path, executor: Executor, codecs: Sequence[Codec] = (WHOLE,), **changes: Any) -> Run:
    given: dict[str, Any] = {"points": ["quality=30"], "images": ["coffee"], "match": "psnr", **changes}
    return isorate.run(photos, out, anchor=Jpeg(), codecs=list(codecs), executor=executor, **given)


def rows_of(run: Run) -> tuple[Row, list[Row]]:
    anchor, *others = run.rows()
    assert all(row.ok for row in (anchor, *others)), [row.status for row in run.rows()]
    return anchor, others


def test_every_codec_comes_to_the_anchors_psnr(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [WebP(), Jpeg2000(), WHOLE])
    anchor, others = rows_of(run)
    assert anchor.quality is None
    for row in others:
        assert row.quality is not None
        assert (row.quality.metric, row.quality.target) == ("psnr", anchor.psnr)
        assert row.quality.gap == pytest.approx((row.psnr or 0) - (anchor.psnr or 0), abs=1e-9)
        assert abs(row.psnr - anchor.psnr) < 0.3  # type: ignore[operator]
        assert (row.target_bpp, row.residual_pct) == (None, None)
        assert len(row.quality.trace) == row.probes == len(row.trace)
        assert row.psnr in row.quality.trace
    assert others[0].num_bytes < 0.9 * (anchor.num_bytes or 0)  # type: ignore[operator]
    assert run.manifest.match == "psnr"
    assert run.manifest.tolerance_quality == 0.02


def test_a_whole_number_knob_has_its_size_between_two_files(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [WHOLE, Jpeg(chroma="444")], metrics=["psnr_y"])
    anchor, (whole, continuous) = rows_of(run)
    beside, asked = whole.neighbour, whole.quality
    assert beside is not None
    assert asked is not None
    assert basis(whole, 0.02) is Basis.INTERPOLATED
    assert abs(beside.knob - (whole.knob or 0)) == 1
    assert min(beside.psnr or 0, whole.psnr or 0) < (anchor.psnr or 0) < max(beside.psnr or 0, whole.psnr or 0)
    assert set(asked.equal) == {"bpp", "psnr", "ms_ssim", "psnr_y"}
    assert asked.equal["psnr"] == pytest.approx(anchor.psnr)
    sizes = sorted([8 * beside.num_bytes / (whole.width * whole.height), whole.bpp or 0])
    assert sizes[0] < (asked.equal["bpp"] or 0) < sizes[1]
    # a continuous knob, which meets the quality, needs as much
    assert whole.compared("bpp") == pytest.approx(continuous.compared("bpp"), rel=0.01)
    original, pixels = run.original("coffee"), run.decoded_neighbour(whole)
    assert beside.psnr == psnr(original, pixels)


@pytest.mark.parametrize(("metric", "tolerance"), [("ms_ssim", 0.02), ("ciede2000", 0.02), ("ssim", 0.02)])
def test_other_metrics_whichever_way_is_better(
    metric: str, tolerance: float, two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [Jpeg2000()], match=metric)
    anchor, (row,) = rows_of(run)
    aim = run.manifest.aim
    assert aim.tolerance == tolerance
    assert aim.unit == "dB"
    theirs, ours = anchor.value(metric), row.value(metric)
    assert theirs is not None
    assert ours is not None
    assert row.quality is not None
    assert row.quality.gap == pytest.approx(aim.height(ours) - aim.height(theirs), abs=1e-6)
    assert abs(row.residual) < 0.1
    assert (row.residual > 0) == ((ours > theirs) == (metric != "ciede2000"))
    if metric != "ms_ssim":
        assert metric in row.metrics  # it is measured without being asked for twice


def test_a_metric_without_decibels_brings_its_own_tolerance(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    pytest.importorskip("ssimulacra2")
    run = start(two_photos, tmp_path / "run", in_process, [WebP()], match="ssimulacra2")
    anchor, (row,) = rows_of(run)
    assert (run.manifest.aim.tolerance, run.manifest.aim.unit) == (0.1, "")
    assert row.value("ssimulacra2") == pytest.approx(anchor.value("ssimulacra2"), abs=0.5)


def test_the_anchor_is_driven_to_a_value(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [Jpeg2000()], points=["psnr=31.5"], tolerance_quality=0.05)
    anchor, (row,) = rows_of(run)
    assert anchor.psnr == pytest.approx(31.5, abs=0.05)
    assert anchor.quality is not None
    assert anchor.quality.target == 31.5
    assert row.quality is not None
    assert row.quality.target == anchor.psnr  # to what the anchor has, not to what was asked of it
    assert anchor.point == "jpeg-psnr31.5"


def test_the_learned_codecs_two_knobs(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [LearnedCodec(), LearnedCodec(effort=1)])
    anchor, row, refused = run.rows()
    assert row.ok, row.status
    assert row.psnr == pytest.approx(anchor.psnr, abs=0.02)
    assert row.bin_size is not None
    assert "effort 1 chooses among files of one size" in refused.status


@dataclass(frozen=True, eq=False)
class Fitted(Jpeg):
    """A codec that makes its file for a size in a way of its own."""

    name: ClassVar[str] = "fitted"

    def encode_to_size(self, image: Image, num_bytes: float, **how: Any) -> tuple[bytes, Match]:
        """See :class:`isorate.codecs.base.Codec`."""
        return WHOLE.encode_to_size(image, num_bytes, **how)


def test_a_codec_with_a_way_of_its_own_to_a_size_says_that_it_has_none(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    row = start(two_photos, tmp_path / "run", in_process, [Fitted()]).rows()[1]
    assert "fitted: it makes its files for a size in a way of its own" in row.status


def test_out_of_reach_there_is_no_size(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [WebP()], points=["psnr=48"])
    _, (row,) = rows_of(run)
    assert row.note.startswith("unreachable: this is the best file")
    assert row.neighbour is None
    assert basis(row, 0.02) is Basis.NONE


def test_where_the_metric_is_not_defined_the_cell_says_so(tmp_path: Path, photo: Image, in_process: Executor) -> None:
    (tmp_path / "small").mkdir()
    PillowImage.fromarray(photo[:100, :100]).save(tmp_path / "small" / "a.png")
    run = start(tmp_path / "small", tmp_path / "run", in_process, match="ms_ssim", images=[])
    assert [row.ok for row in run.rows()] == [True, False]
    assert "MS-SSIM is not defined for this picture" in run.rows()[1].status


def test_an_anchor_without_error_sets_nothing(tmp_path: Path, in_process: Executor) -> None:
    (tmp_path / "flat").mkdir()
    PillowImage.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(tmp_path / "flat" / "a.png")
    run = start(tmp_path / "flat", tmp_path / "run", in_process, images=[])
    assert "the anchor has no error on this image" in run.rows()[1].status


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"match": "psnrr"}, "match 'psnrr': give size, or a metric"),
        ({"policy": "at-most"}, "policy at-most: it is one of sizes"),
        ({"tolerance_quality": -1.0}, "a number above 0 is needed"),
        ({"match": "size", "tolerance_quality": 0.1}, "sizes are matched"),
        ({"match": "size", "points": ["psnr=35"]}, "with --match psnr"),
        ({"points": ["ms_ssim=0.9"]}, "with --match ms_ssim"),
        ({"match": "ms_ssim", "points": ["ms_ssim=1.5"]}, "a number below 1"),
        ({"points": ["psnr=x"]}, "give quality=VALUE or bpp=VALUE or psnr=VALUE"),
    ],
)
def test_what_cannot_be_driven_to_is_refused_before_anything_runs(
    changes: dict[str, Any], said: str, two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    with pytest.raises(UsageError, match=said):
        start(two_photos, tmp_path / "run", in_process, **changes)
    assert not (tmp_path / "run").exists()


def test_a_metric_that_cannot_run_is_told_at_once(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: object) -> str:
        raise MetricUnavailableError("ssim: not here")

    monkeypatch.setattr("isorate.metrics.ssim.Ssim.implementation", property(missing))
    with pytest.raises(MetricUnavailableError, match="not here"):
        start(two_photos, tmp_path / "run", in_process, match="ssim")


def test_a_run_is_continued_with_the_same_aim_only(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process)
    before = run.rows()
    again = start(two_photos, tmp_path / "run", in_process)
    assert again.rows() == before
    with pytest.raises(RunError, match="match was 'psnr', is 'ms_ssim'"):
        start(two_photos, tmp_path / "run", in_process, match="ms_ssim")
    with pytest.raises(RunError, match=r"tolerance_quality was 0.02, is 0.5"):
        start(two_photos, tmp_path / "run", in_process, tolerance_quality=0.5)


def test_it_reproduces(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, [WHOLE, Jpeg2000()], points=["psnr=31.5"])
    again = reproduce(run, tmp_path / "again", executor=in_process)
    assert [item.outcome for item in again] == [Outcome.SAME_FILE] * 3
    repeated = Run.open(tmp_path / "again")
    assert [row.quality for row in repeated.rows()] == [row.quality for row in run.rows()]
    assert repeated.manifest.match == "psnr"


def test_a_manifest_of_before_holds_sizes_equal(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process, match="size")
    file = run.path / "manifest.json"
    data = json.loads(file.read_text())
    del data["match"], data["tolerance_quality"]
    file.write_text(json.dumps(data))
    assert Run.open(run.path).manifest == run.manifest
    data["match"] = "ssim"
    file.write_text(json.dumps(data))
    with pytest.raises(RunError, match="'ssim' is no metric of the run"):
        Run.open(run.path)


def test_the_gate_holds_such_a_run(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = start(two_photos, tmp_path / "run", in_process)
    write_baseline(run, tmp_path / "baseline.json", probe=False)
    baseline = Baseline.read(tmp_path / "baseline.json")
    assert (baseline.match, baseline.tolerance_quality) == ("psnr", 0.02)
    assert check(run, baseline, Tolerances()).findings == ()
    other = start(two_photos, tmp_path / "other", in_process, match="size")
    kinds = [
        finding.text for finding in check(other, baseline, Tolerances()).findings if finding.kind is Kind.CONFIGURATION
    ]
    assert any("match was psnr, is size" in text for text in kinds)


def test_from_the_command_line(
    two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    Path("isorate.toml").write_text(
        'data = "photos"\nanchor = "jpeg"\ncodecs = ["jpeg2000"]\n'
        'match = "psnr"\npoints = ["psnr=31"]\ntolerance = 0.1\n'
    )
    words = ["run", "--image", "coffee", "--workers", "1", "-o", "run", "--no-cache"]
    assert main(words) == 0
    assert "encodes a file: JPEG" in capsys.readouterr().out
    run = Run.open(Path("run"))
    assert run.manifest.tolerance_quality == 0.1
    assert run.rows()[0].psnr == pytest.approx(31, abs=0.1)
    assert main([*words[:-3], "-o", "other", "--match", "size", "--point", "quality=20", "--tolerance", "2"]) == 0
    assert Run.open(Path("other")).manifest.tolerance_pct == 2
