"""A run at equal quality as a reader sees it: bytes are compared, in the page and in every table."""

import csv
import io
import json
import math
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isorate
from isorate.codecs.bpg import Bpg
from isorate.codecs.jpeg import Jpeg
from isorate.errors import RunError
from isorate.image import Image
from isorate.reports import fairness, latex, page, tables
from isorate.reports.compare_page import html, notes, text, to_json
from isorate.reports.compare_runs import compare_runs
from isorate.reports.dataframe import frame
from isorate.reports.found import found
from isorate.reports.glance import glance
from isorate.reports.measures import lines, measures
from isorate.reports.results import Comparison
from isorate.reports.summary import summarize
from isorate.runs.folder import Run

FULL = "jpeg:chroma=444"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, astronaut: Image, coffee: Image) -> Path:
    """JPEG's PSNR on two photographs; JPEG without subsampling meets it, BPG has it between two files."""
    folder = tmp_path_factory.mktemp("equal")
    pictures = {"astronaut": astronaut[20:195, 130:321], "coffee": coffee[100:270, 150:350]}
    images = {name: np.ascontiguousarray(pixels) for name, pixels in pictures.items()}
    with ThreadPoolExecutor(1) as executor:
        for match in ("psnr", "size"):
            isorate.run(
                images, folder / match, anchor=Jpeg(), codecs=[Jpeg(chroma="444"), Bpg()], points=["quality=25.5"],
                match=match, metrics=["ciede2000"], executor=executor,
            )  # fmt: skip
    return folder


@pytest.fixture
def run(made: Path) -> Run:
    return Run.open(made / "psnr")


def test_bytes_stand_against_the_anchors(run: Run) -> None:
    comparison = Comparison(run)
    (level,) = comparison.levels()
    anchor, full, bpg = summarize(comparison, level)
    assert [some.column.codec for some in (anchor, full, bpg)] == ["jpeg", FULL, "bpg"]
    assert anchor.difference_rate is None
    assert full.difference_rate is not None
    assert bpg.difference_rate is not None
    ratios = []
    for row in comparison.at(level, FULL):
        theirs = comparison.cell(row.image, row.point, comparison.columns[0].codec)
        assert theirs is not None
        ratios.append(row.compared("bpp") / theirs.num_bytes / 8 * theirs.width * theirs.height)  # type: ignore[operator]
    assert full.difference_rate.mean == pytest.approx(100 * (float(np.prod(ratios)) ** 0.5 - 1))
    assert (bpg.interpolated, full.interpolated) == (2, 0)
    # of two images, thus with one degree of freedom: 12.7062 standard errors of the logarithms on either side
    width = 12.7062 * abs(math.log(ratios[0] / ratios[1])) / 2
    ends = [100 * (math.exp(math.log(np.prod(ratios)) / 2 + side * width) - 1) for side in (-1, 1)]
    assert [full.difference_rate.low, full.difference_rate.high] == pytest.approx(ends, rel=1e-4)
    assert full.wins_rate == float(np.mean([ratio < 1 for ratio in ratios]))
    assert (bpg.difference_rate.mean < -20, bpg.wins_rate) == (True, 1.0)
    assert bpg.at_aim["bpp"] != bpg.bpp
    assert bpg.at_aim["psnr"] == pytest.approx(anchor.psnr)
    assert 0 < bpg.residual < 1  # type: ignore[operator]
    assert bpg.probes == np.median([row.probes for row in comparison.at(level, "bpg")])


def test_the_sentences_speak_of_bytes_and_of_the_other_metrics(run: Run) -> None:
    comparison = Comparison(run)
    said = found(comparison, comparison.levels()[0], summarize(comparison, comparison.levels()[0]))
    assert said is not None
    assert said.head.startswith("At the PSNR of JPEG")
    assert said.head.endswith("dB on average, both images.")
    bpg, full = said.codecs  # the one that needs the fewest bytes first
    assert bpg.startswith("BPG needs")
    assert "more or fewer bytes (" in bpg  # two images are too few to tell
    assert "%) than JPEG at equal PSNR and wins 2 of 2" in bpg
    assert "it in MS-SSIM" in bpg
    assert "it in ΔE2000, where smaller is better" in bpg
    assert "interpolated between its files below and above" in bpg
    assert "interpolated" not in full


def test_the_smaller_file_is_marked_as_the_better_one(run: Run) -> None:
    comparison = Comparison(run)
    cells = comparison.row_line("coffee", comparison.points("coffee")[0])
    shown = lines(cells, measures(run.manifest), comparison.aim)
    titles = [line.title for line in shown]
    assert titles == [
        "BPP", "PSNR", "MS-SSIM", "ΔE2000", "BPP at equal PSNR", "MS-SSIM at equal PSNR", "ΔE2000 at equal PSNR"
    ]  # fmt: skip
    sizes = [row.compared("bpp") for row in cells if row is not None]
    assert [place for _, place in shown[4].values].index(1) == sizes.index(min(sizes))  # type: ignore[type-var]
    assert any(value.startswith("≈") for value, _ in shown[4].values)


def test_csv_json_and_data_frame(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(tables.render(run, "csv"))))
    assert {row["match"] for row in rows} == {"psnr"}
    bases = {row["codec"]: row["equal_quality"] for row in rows}
    assert bases[FULL] == "measured"
    assert bases["bpg"] == "interpolated"
    assert "equal_rate" not in rows[0]
    apart = next(row for row in rows if row["equal_quality"] == "interpolated")
    assert apart["equal_quality_bpp"] != apart["bpp"]
    assert float(apart["equal_quality_psnr"]) == pytest.approx(float(apart["target_quality"]))
    assert float(apart["residual_quality"]) == pytest.approx(float(apart["psnr"]) - float(apart["target_quality"]))
    data = json.loads(tables.render(run, "json"))
    assert [row.get("quality", {}).get("metric") for row in data] == [None, "psnr", "psnr"] * 2
    pandas = pytest.importorskip("pandas")
    table = frame(run.rows(), run.manifest)
    assert pandas.api.types.is_float_dtype(table["equal_quality_bpp"])
    assert table["match"].unique().tolist() == ["psnr"]


def test_a_run_at_equal_rate_has_the_columns_of_before(made: Path) -> None:
    head = tables.render(Run.open(made / "size"), "csv").splitlines()[0].split(",")
    assert not [name for name in head if "quality" in name or name == "match"]


def test_markdown_latex_and_glance(run: Run) -> None:
    told = tables.render(run, "markdown")
    assert "Δbytes % (95 %)" in told
    assert "bpp at equal PSNR" in told
    assert "residual dB" in told
    assert "≈ at equal PSNR: where a file misses it" in told
    set_in = latex.render(Comparison(run), residual=True)
    assert "every codec at the PSNR of JPEG" in set_in
    assert "Residual (dB)" in set_in
    assert "PSNR is not ranked" in set_in
    assert "At the PSNR of JPEG" in glance(run)


def test_the_page(run: Run, tmp_path: Path) -> None:
    made = page.render(run, tmp_path / "report").read_text(encoding="utf-8")
    assert "each driven to the PSNR of JPEG on the same image" in made
    assert '"ofSize": false' in made
    assert "How the PSNR was found" in made
    assert "fewer bytes" in made or "more bytes" in made
    assert "that both meet the PSNR" in made
    assert "by PSNR, policy nearest, tolerance 0.02 dB" in made


def test_what_is_unfair_is_told_in_the_metrics_unit(run: Run) -> None:
    told = [finding for finding in fairness.check(Comparison(run)) if finding.title.endswith(": PSNR not met")]
    assert len(told) == 1
    assert "miss the PSNR by more than 0.02 dB" in told[0].text
    assert "with the size interpolated at the PSNR" in told[0].text


def _changed(run: Run, folder: Path, **changes: Any) -> Run:
    shutil.copytree(run.path, folder)
    other = Run.open(folder)
    for row in other.rows():
        if row.codec == FULL:
            assert row.bpp is not None
            assert row.num_bytes is not None
            size = round(row.num_bytes * 0.9)
            other.write_row(replace(row, bpp=row.bpp * size / row.num_bytes, num_bytes=size, **changes))
    return other


def test_two_such_runs_are_compared_by_their_bytes(run: Run, tmp_path: Path) -> None:
    compared = compare_runs(run, _changed(run, tmp_path / "other"))
    change = next(some for some in compared.codecs if some.codec == FULL)
    assert change.rate_pct == pytest.approx(-10, abs=0.03)
    assert (compared.held, change.other_rate, change.interpolated) == ("PSNR", 0, 0)
    assert "bytes % at equal PSNR" in text(compared)
    assert any(note.startswith("Both hold PSNR equal") for note in notes(compared))
    assert 'class="better">−10.0' in html(compared)
    assert json.loads(to_json(compared))["held"] == "PSNR"


def test_another_target_in_the_second_run_is_told(run: Run, tmp_path: Path) -> None:
    other = _changed(run, tmp_path / "other")
    for row in other.rows():
        if row.codec == FULL:
            assert row.quality is not None
            assert row.quality.gap is not None
            moved = replace(row.quality, target=row.quality.target + 0.5, gap=row.quality.gap - 0.5)
            other.write_row(replace(row, quality=moved))
    said = notes(compare_runs(run, other))
    assert any("driven to another PSNR in B" in note for note in said)


def test_runs_that_hold_other_things_equal_are_not_compared(run: Run, made: Path) -> None:
    with pytest.raises(
        RunError, match=r"holds the psnr equal, .* holds the size equal; compare runs that hold the same"
    ):
        compare_runs(run, Run.open(made / "size"))


def test_the_documents_example_says_what_is_found(tmp_path: Path, coffee: Image) -> None:
    """Within what another version of OpenJPEG may change."""
    document = (Path(__file__).parents[2] / "docs/equal-quality.md").read_text("utf-8")
    told = re.search(r"JPEG2000 needs ([\d.]+) % fewer bytes than JPEG", document)
    with ThreadPoolExecutor(1) as executor:
        made = isorate.run(
            {"coffee": coffee}, tmp_path, anchor="jpeg", codecs=["jpeg2000"], match="psnr", executor=executor
        )
    comparison = Comparison(made)
    (level,) = comparison.levels()
    _, other = summarize(comparison, level)
    assert told
    assert other.difference_rate
    assert -other.difference_rate.mean == pytest.approx(float(told[1]), abs=1)
