"""The metrics beside PSNR and MS-SSIM: against published values or other implementations, and as a run's columns."""

import csv
import io
import json
import math
import re
from concurrent.futures import Executor
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.cli import main
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.webp import WebP
from isorate.errors import MetricUnavailableError, UsageError
from isorate.image import Image
from isorate.metrics import registry
from isorate.metrics.base import Metric, quality
from isorate.metrics.psnr import psnr
from isorate.metrics.psnr_ycbcr import plane_psnr
from isorate.metrics.registry import BUILT_IN, check_names, metric, metric_identity
from isorate.metrics.ycbcr import ycbcr
from isorate.reports import figures, page, tables
from isorate.reports.compare_page import text, to_json
from isorate.reports.compare_runs import compare_runs
from isorate.reports.results import Comparison
from isorate.reports.summary import summarize
from isorate.runs.row import Row
from isorate.testing import ConformanceError, check_metric


def made(name: str) -> Metric:
    """Return the metric, or skip where its package is not installed."""
    found = metric(name)
    try:
        _ = found.implementation
    except MetricUnavailableError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture(scope="module")
def decoded(photo: Image) -> Image:
    return Jpeg().decode(Jpeg().encode(photo, 20))


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_contract(name: str) -> None:
    check_metric(made(name))


def test_psnr_in_ycbcr_is_that_of_scikit_images_planes(photo: Image, decoded: Image) -> None:
    """Its planes have the video range, 219 and 224 steps for 255, and a rounded matrix: equal within 1e-4 dB."""
    from skimage.color import rgb2ycbcr
    from skimage.metrics import peak_signal_noise_ratio

    first, second = rgb2ycbcr(photo), rgb2ycbcr(decoded)
    y, cb, cr = (
        peak_signal_noise_ratio(first[..., i], second[..., i], data_range=steps)
        for i, steps in enumerate((219, 224, 224))
    )
    assert made("psnr_y").measure(photo, decoded) == pytest.approx(y, abs=1e-4)
    assert made("psnr_611").measure(photo, decoded) == pytest.approx((6 * y + cb + cr) / 8, abs=1e-4)


def grey(photo: Image) -> Image:
    """Return a photograph of three equal channels."""
    return np.ascontiguousarray(np.repeat(photo[..., 1:2], 3, axis=2))


def test_the_mean_of_three_planes_is_not_defined_for_grey(photo: Image) -> None:
    """JPEG keeps chroma without error there, WebP with 80 dB: infinite, and ten dB above Y's, of pictures as good."""
    original = grey(photo)
    lossy, nearly = (codec.decode(codec.encode(original, 20)) for codec in (Jpeg(), WebP()))
    assert (lossy == lossy[..., :1]).all()
    assert not (nearly == nearly[..., :1]).all()
    for decoded in (lossy, nearly, original):
        assert made("psnr_611").measure(original, decoded) is None
    assert made("psnr_y").measure(original, lossy) == pytest.approx(psnr(original, lossy), abs=1e-9)


def test_the_mean_of_three_planes_is_not_defined_where_chroma_alone_has_no_error(photo: Image) -> None:
    original = photo.clip(1, 254)
    assert made("psnr_611").measure(original, original + np.uint8(1)) is None
    assert made("psnr_y").measure(original, original + np.uint8(1)) == pytest.approx(20 * math.log10(255))


def test_the_mean_of_three_planes_is_not_defined_where_luma_has_no_error() -> None:
    """BT.601 weighs red, green and blue with 299, 587 and 114 thousandths."""
    change = np.array([-60, 36, -28])
    assert change @ (299, 587, 114) == 0
    original = np.full((16, 16, 3), (128, 140, 128), np.uint8)
    coloured = (original + change).astype(np.uint8)
    assert made("psnr_611").measure(original, coloured) is None
    assert made("psnr_y").measure(original, coloured) == math.inf


def test_rounding_in_the_matrix_is_no_error_of_chroma() -> None:
    """Every grey in turn: some give a Cb or Cr of 1e-15 in the place of 0, which would be 300 dB."""
    ramp = np.arange(256, dtype=np.uint8)
    original = np.repeat(np.tile(ramp, (32, 1))[..., None], 3, axis=2)
    assert plane_psnr(original, np.flip(original, 1))[1:] == [math.inf, math.inf]


def test_the_smallest_error_of_a_large_picture_counts() -> None:
    """One sample in 16 megapixels, off by one, in blue."""
    original = np.full((4096, 4096, 3), (90, 91, 92), np.uint8)
    other = original.copy()
    other[7, 9, 2] += 1
    assert all(150 > value > 120 for value in plane_psnr(original, other))
    assert made("psnr_611").measure(original, original) == math.inf


def test_ssim_is_that_of_pytorch_msssim(photo: Image, decoded: Image) -> None:
    import torch
    from pytorch_msssim import ssim

    planes = [torch.from_numpy(ycbcr(some)[..., 0].astype(np.float32))[None, None] for some in (photo, decoded)]
    assert made("ssim").measure(photo, decoded) == pytest.approx(float(ssim(*planes, data_range=255)), abs=2e-5)


def test_ciede2000_gives_published_differences() -> None:
    """Two pairs of Sharma, Wu & Dalal (2005), table 1, to their four decimals; and black and white in sRGB."""
    from skimage.color import deltaE_ciede2000

    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ]
    for first, second, published in pairs:
        assert deltaE_ciede2000(np.array(first), np.array(second)) == pytest.approx(published, abs=5e-5)
    black, white = (np.full((16, 16, 3), level, np.uint8) for level in (0, 255))
    assert made("ciede2000").measure(black, white) == pytest.approx(100, abs=1e-3)


def test_flip_is_what_the_authors_program_says_of_the_files(photo: Image, decoded: Image, tmp_path: Path) -> None:
    found = made("flip").measure(photo, decoded)
    import flip_evaluator

    for name, image in (("a", photo), ("b", decoded)):
        PillowImage.fromarray(image).save(tmp_path / f"{name}.png")
    _, expected, _ = flip_evaluator.evaluate(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "LDR")
    assert found == pytest.approx(expected, abs=1e-5)


PUBLISHED = {20: 30, 35: 50, 70: 70}
"""SSIMULACRA 2 of libjpeg-turbo's typical files, 4:2:0, by quality: its author's README (2023)."""


@pytest.mark.kodak
def test_ssimulacra2_of_photographs_is_what_its_author_publishes(kodak_dir: Path) -> None:
    """The mean of four photographs within 8; the author's is over other pictures."""
    images = [np.asarray(PillowImage.open(kodak_dir / f"kodim{number:02}.png")) for number in (2, 8, 15, 23)]
    images = [image[64:448, 64:448] for image in images]
    codec = Jpeg("integer")
    for jpeg_quality, published in PUBLISHED.items():
        values = [
            made("ssimulacra2").measure(image, codec.decode(codec.encode(image, jpeg_quality))) for image in images
        ]
        assert np.mean(np.array(values, float)) == pytest.approx(published, abs=8)


def test_ssimulacra2_is_on_the_scale_that_its_author_publishes(astronaut: Image) -> None:
    """One photograph, within 15."""
    codec = Jpeg("integer")
    for jpeg_quality, published in PUBLISHED.items():
        found = made("ssimulacra2").measure(astronaut, codec.decode(codec.encode(astronaut, jpeg_quality)))
        assert found == pytest.approx(published, abs=15)


def test_the_scales_of_curves() -> None:
    assert quality(0.99, "similarity") == pytest.approx(20)
    assert quality(0.001, "error", larger_is_better=False) == pytest.approx(30)
    assert quality(0, "error", larger_is_better=False) == math.inf
    assert quality(3, "as it is", larger_is_better=False) == -3


def test_what_is_not_known_or_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="did you mean 'ssimulacra2'"):
        check_names(["ssimulacra"])
    with pytest.raises(UsageError, match=r"psnr.*it is always measured"):
        check_names(["psnr"])
    for package in ("flip_evaluator", "ssimulacra2"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    for name in ("flip", "ssimulacra2"):
        with pytest.raises(MetricUnavailableError, match=r"pip install 'isorate\[metrics\]'"):
            check_names([name])


class Darker(Metric):
    """By how much the mean changed, said to be better the larger it is."""

    name, label, measured_on = "darker", "Darker", "RGB"
    implementation = "here 1"

    def measure(self, reference: Image, decoded: Image) -> float:
        return abs(float(reference.mean() - decoded.mean()))


def test_the_kit_names_what_does_not_hold() -> None:
    with pytest.raises(ConformanceError, match=r"not in this order(.|\n)*another shape gives"):
        check_metric(Darker())


def test_a_package_may_offer_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("darker", f"{__name__}:Darker", registry.ENTRY_POINT_GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.ENTRY_POINT_GROUP else [])
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(Darker=Darker))
    registry._plugins.cache_clear()
    registry.metric.cache_clear()
    try:
        assert "darker" in registry.names()
        assert isinstance(metric("darker"), Darker)
    finally:
        monkeypatch.undo()
        registry._plugins.cache_clear()
        registry.metric.cache_clear()


Ran = dict[str, Any]


@pytest.fixture
def ran(two_photos: Path, tmp_path: Path, in_process: Executor) -> Ran:
    return {
        "data": two_photos, "out": tmp_path / "run", "anchor": "jpeg", "codecs": ["jpeg2000"],
        "points": ["quality=10", "quality=20", "quality=40", "quality=70"], "executor": in_process,
    }  # fmt: skip


def test_they_are_columns_of_rows_tables_and_curves(ran: Ran) -> None:
    run = api.run(**ran, metrics=["psnr_y", "ciede2000"])
    rows = run.rows()
    assert {tuple(row.metrics) for row in rows} == {("psnr_y", "ciede2000")}
    assert [Row.from_json(json.loads(json.dumps(row.to_json()))) for row in rows] == rows
    head, *lines = csv.reader(io.StringIO(tables.render(run, "csv")))
    at = head.index("psnr_y")
    assert head[at + 1] == "ciede2000"
    assert [float(line[at]) for line in lines] == [row.metrics["psnr_y"] for row in rows]
    page = tables.render(run, "markdown")
    assert "| PSNR \\(Y\\) dB | ΔE2000 |" in page
    assert (
        "BD-rate (PSNR) | BD-rate (MS-SSIM) | BD-rate (PSNR (Y)) | BD-rate (ΔE2000)".replace("(Y)", "\\(Y\\)") in page
    )
    (rate,) = [line for line in page.splitlines() if line.startswith("| JPEG2000 |") and "overlap" in line]
    assert rate.count("overlap") + rate.count("none:") == 4
    entry = run.manifest.more_metrics[1]
    assert (entry.larger_is_better, entry.scale, entry.identity) == (False, "error", metric_identity("ciede2000"))
    assert "skimage" in entry.implementation or "scikit-image" in entry.implementation


def test_they_stand_in_the_page_and_the_latex_tables(ran: Ran, tmp_path: Path) -> None:
    run = api.run(**ran, metrics=["ssim", "ciede2000"])
    html = page.render(run, tmp_path / "page").read_text("utf-8")
    for row in run.rows():
        assert f">{row.metrics['ciede2000']:.3f}<" in html
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL)[0])
    assert [metric["unit"] for metric in data["metrics"]] == [" dB", " dB"]
    cell = data["images"][0]["points"][0]["cells"][1]
    (row,) = [r for r in run.rows() if r.psnr == cell["psnr"]]
    ssim, error = row.metrics["ssim"], row.metrics["ciede2000"]
    assert ssim
    assert error
    assert cell["more"] == pytest.approx([-10 * math.log10(1 - ssim), -10 * math.log10(error)])
    assert all(len(point) == 6 for curve in data["dataset"] for point in curve["points"])
    assert "<figcaption>−10 log10(1 − SSIM) (dB)</figcaption>" in html
    assert "ΔE2000 <small>smaller is better</small>" in html
    assert html.count('<th scope="col">BD-rate</th>') == 4
    latex = tables.render(run, "latex")
    first = [r for r in run.rows() if (r.image, r.point) == (run.rows()[0].image, run.rows()[0].point)]
    best = min(r.compared("ciede2000") or 0 for r in first)
    assert rf"\bfseries {best:.3f}" in latex
    assert r"MS-SSIM, SSIM and $\Delta$E2000. $\Delta$E2000: smaller is better." in latex
    names = {path.name for path in figures.render(run, tmp_path / "figures", formats=["png"], dpi=40)}
    assert {"rd-ssim.png", "rd-ciede2000.png"} <= names


def test_a_smaller_error_is_a_win_and_its_difference_is_better(ran: Ran) -> None:
    comparison = Comparison(api.run(**ran, metrics=["ciede2000"]))
    level = comparison.levels()[0]
    anchor, other = (some.metrics["ciede2000"] for some in summarize(comparison, level))
    assert (anchor.difference, anchor.wins, anchor.better) == (None, None, 0)
    pairs = [
        (row.metrics["ciede2000"] or 0, comparison.cell(row.image, row.point, "jpeg"))
        for row in comparison.at(level, "jpeg2000")
    ]
    won = sum(value < (ref.metrics["ciede2000"] or 0) for value, ref in pairs if ref)
    assert other.wins == won / len(pairs)
    assert other.difference
    if other.difference.clear:
        assert other.better == (1 if other.difference.mean < 0 else -1)


def test_a_metric_that_is_added_later_measures_again_and_encodes_none(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ISORATE_CACHE_DIR", str(tmp_path / "cache"))
    before = {row.key: row for row in api.run(**ran).rows()}
    monkeypatch.setattr(Jpeg, "encode", None)
    with pytest.warns(UserWarning, match="16 rows are made anew: the metrics: ssim was not measured"):
        after = api.run(**ran, metrics=["ssim"])
    for row in after.rows():
        assert row.stream_sha256 == before[row.key].stream_sha256
        assert 0 < (row.metrics["ssim"] or 0) < 1
    monkeypatch.setattr("isorate.metrics.ssim.Ssim.measure", None)
    again = api.run(**{**ran, "out": tmp_path / "again"}, metrics=["ssim"])
    assert [row.metrics for row in again.rows()] == [row.metrics for row in after.rows()]


def test_two_runs_are_compared_in_what_both_measured(ran: Ran, tmp_path: Path) -> None:
    first = api.run(**ran, metrics=["psnr_y", "ssim"])
    second = api.run(**{**ran, "out": tmp_path / "second"}, metrics=["psnr_y"])
    compared = compare_runs(first, second)
    assert [list(change.metrics) for change in compared.codecs] == [["psnr_y"]] * 2
    assert compared.codecs[0].metrics["psnr_y"].wins == 0.5
    assert [change.metrics["psnr_y"].difference.count for change in compared.codecs] == [2, 2]  # type: ignore[union-attr]
    assert "BD-rate PSNR (Y)" in text(compared)
    assert json.loads(to_json(compared))["codecs"][0]["metrics"]["psnr_y"]["difference"]["mean"] == 0


def test_identical_pictures_of_infinite_value_survive(tmp_path: Path) -> None:
    row = Row(
        image="a",
        width=1,
        height=1,
        image_sha256="",
        codec="c",
        label="C",
        point="p",
        metrics={"psnr_y": math.inf, "ssim": None},
    )
    written = json.dumps(row.to_json(), allow_nan=False)
    assert Row.from_json(json.loads(written)) == row


def test_an_older_row_has_none() -> None:
    data = Row(image="a", width=1, height=1, image_sha256="", codec="c", label="C", point="p").to_json()
    del data["metrics"]
    assert Row.from_json(data).metrics == {}


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics"]) == 0
    assert "psnr_611  PSNR (6:1:1) in dB, larger is better" in capsys.readouterr().out
    assert main(["metrics", "--json"]) == 0
    assert {entry["name"] for entry in json.loads(capsys.readouterr().out)} >= set(BUILT_IN)


def test_a_misspelt_one_in_the_configuration_ends_the_run(
    two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "isorate.toml"
    config.write_text(f'data = "{two_photos}"\nanchor = "jpeg"\ncodecs = []\nmetrics = ["sim"]\nout = "out"\n')
    assert main(["run", "--config", str(config)]) == 2
    assert "no metric 'sim' to be added; did you mean 'ssim'?" in capsys.readouterr().err
