"""Tables, sentences and pages compare at equal rate, and say which values are interpolated."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.reports import fairness, figures, latex, page, supplement, tables
from isorate.reports.compare_page import notes, to_json
from isorate.reports.compare_runs import compare_runs
from isorate.reports.dataframe import frame
from isorate.reports.found import found
from isorate.reports.glance import glance
from isorate.reports.measures import ALWAYS
from isorate.reports.measures import lines as lines_of
from isorate.reports.results import Comparison
from isorate.reports.summary import summarize
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import Basis, at_size, basis
from isorate.runs.folder import Run
from isorate.runs.row import Row

from .conftest import make_run, photographs


@pytest.fixture
def apart(apart_run: Run) -> Comparison:
    return Comparison(apart_run)


def jpeg_rows(comparison: Comparison) -> list[Row]:
    return [row for row in comparison.rows if row.codec == "jpeg"]


def test_the_fixture_has_every_case(apart: Comparison) -> None:
    found = {basis(row, apart.aim.tolerance) for row in apart.rows}
    assert found == set(Basis)


def test_differences_and_wins_are_of_the_values_at_equal_rate(apart: Comparison) -> None:
    level = apart.levels()[1]
    jpeg = next(some for some in summarize(apart, level) if some.column.codec == "jpeg")
    rows = apart.at(level, "jpeg")
    assert jpeg.interpolated == sum(bool(row.equal_rate) for row in rows) > 0
    refs = apart.at(level, "webp")
    counting = [row for row in rows if basis(row, apart.aim.tolerance) is not Basis.NONE]
    assert len(counting) < len(rows)
    anchor = {ref.image: ref.psnr or 0 for ref in refs}
    gaps = [(row.compared("psnr") or 0) - anchor[row.image] for row in counting]
    assert jpeg.difference_psnr is not None
    assert jpeg.difference_psnr.count == len(counting)
    assert jpeg.difference_psnr.mean == pytest.approx(sum(gaps) / len(gaps))
    assert jpeg.psnr == pytest.approx(sum(row.psnr or 0 for row in rows) / len(rows))
    assert jpeg.at_aim["psnr"] is None, "a mean over other images than the anchor's"


def test_the_mean_at_equal_rate_is_over_all_images(apart: Comparison) -> None:
    level = next(level for level in apart.levels() if any(row.equal_rate for row in apart.at(level, "jpeg")))
    rows = [row for row in apart.at(level, "jpeg") if basis(row, apart.aim.tolerance) is not Basis.NONE]
    part = apart.among({row.image for row in rows})
    jpeg = summarize(part, next(some for some in part.levels() if some.label == level.label))[-1]
    assert jpeg.unequal == 0
    assert jpeg.at_aim["psnr"] == pytest.approx(sum(row.compared("psnr") or 0 for row in rows) / len(rows))
    assert jpeg.at_aim["psnr"] != jpeg.psnr


def test_files_that_miss_the_rate_to_one_side_win_nothing(apart_run: Run, tmp_path: Path) -> None:
    shutil.copytree(apart_run.path, tmp_path / "run")
    made = Run.open(tmp_path / "run")
    for row in jpeg_rows(Comparison(made)):
        assert row.bpp is not None
        target = row.bpp / 2.64
        missed = replace(row, target_bpp=target, residual_pct=100 * (row.bpp / target - 1))
        made.write_row(replace(missed, psnr=99.0, neighbour=None, equal_rate={}))
    comparison = Comparison(made)
    level = comparison.levels()[0]
    jpeg = summarize(comparison, level)[-1]
    assert (jpeg.difference_psnr, jpeg.wins_psnr, jpeg.at_aim["psnr"]) == (None, None, None)
    assert jpeg.unequal == len(level.point_of)
    said = found(comparison, level, summarize(comparison, level))
    assert said is not None
    assert "JPEG does not come to the rate on any image and cannot be compared" in said.codecs[-1]
    for image, point in level.point_of.items():
        lines = lines_of(comparison.row_line(image, point), ALWAYS, comparison.aim)
        assert all(rank == 0 for text, rank in (line.values[-1] for line in lines))
        assert 1 in [rank for _, rank in lines[1].values]
    table = latex.render(comparison)
    assert "99.0000" in table
    assert not re.search(r"(bfseries|underline\{)\s*99\.0000", table)
    assert "JPEG misses the rate on 4 of 4 images" in table


def test_the_sentence_says_what_was_interpolated(apart: Comparison, run: Run) -> None:
    for level in apart.levels():
        said = found(apart, level, summarize(apart, level))
        assert said is not None
        jpeg = next(some for some in summarize(apart, level) if some.column.codec == "jpeg")
        sentence = next(some for some in said.codecs if some.startswith("JPEG is"))
        said_so = "at equal rate, interpolated between its files below and above" in sentence
        assert said_so == bool(jpeg.interpolated)
        assert ("on which it misses the rate to one side, do not count" in sentence) == bool(jpeg.unequal)
    assert any(some.interpolated for level in apart.levels() for some in summarize(apart, level))
    comparison = Comparison(run)
    level = comparison.levels()[0]
    plain = found(comparison, level, summarize(comparison, level))
    assert plain is not None
    assert "interpolated" not in " ".join(plain.codecs)


def test_the_panel_says_which_rows_do_not_count(apart: Comparison, run: Run) -> None:
    titled = {some.title: some for some in fairness.check(apart)}
    text = titled["JPEG: rate not met"].text
    between = sum(bool(row.equal_rate) for row in jpeg_rows(apart))
    assert f"{between} of these count with PSNR and MS-SSIM interpolated at the rate" in text
    without = Comparison(Run(run.path, replace(run.manifest, tolerance_pct=0.5)))
    older = {some.title: some for some in fairness.check(without)}["JPEG: rate not met"]
    assert older.severity == "warning"
    assert "have no such value and do not count" in older.text
    assert "An older version made" in older.text


def test_the_lines_under_the_crops_rank_at_equal_rate(apart: Comparison, run: Run) -> None:
    image, point = next(row.key[:2] for row in jpeg_rows(apart) if row.equal_rate)
    cells = apart.row_line(image, point)
    lines = lines_of(cells, ALWAYS, apart.aim)
    assert [line.title for line in lines] == [
        "BPP", "PSNR", "MS-SSIM", "PSNR at equal rate", "MS-SSIM at equal rate",
    ]  # fmt: skip
    assert all(rank == 0 for line in lines[:3] for _, rank in line.values)
    assert 1 in [rank for _, rank in lines[3].values]
    jpeg = [column.codec for column in apart.columns].index("jpeg")
    row = cells[jpeg]
    assert row is not None
    assert lines[1].values[jpeg][0] == f"{row.psnr:.4f}"
    assert lines[3].values[jpeg][0] == f"≈ {row.equal_rate['psnr']:.4f}"
    assert len(lines_of(Comparison(run).row_line(image, point), ALWAYS, Aim.size(0.5))) == 3


def test_a_cell_without_a_neighbour_has_no_value_at_equal_rate(apart: Comparison) -> None:
    image, point = next(row.key[:2] for row in jpeg_rows(apart) if row.equal_rate)
    cells = [replace(row, residual_pct=9.0) if row and row.codec == "jpeg2000" else row
             for row in apart.row_line(image, point)]  # fmt: skip
    at = [column.codec for column in apart.columns].index("jpeg2000")
    assert lines_of(cells, ALWAYS, apart.aim)[3].values[at] == ("–", 0)


def test_the_csv_has_both_and_says_which(apart: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(tables.render(apart.run, "csv"))))
    for line, row in zip(lines, apart.rows, strict=True):
        on = basis(row, apart.aim.tolerance)
        assert line["equal_rate"] == on
        assert float(line["psnr"]) == row.psnr
        if on is Basis.NONE:
            assert line["equal_rate_psnr"] == line["neighbour_bytes"] == ""
        else:
            assert float(line["equal_rate_psnr"]) == row.compared("psnr")
        if row.neighbour:
            assert (apart.run.path / line["neighbour_stream"]).stat().st_size == int(line["neighbour_bytes"])


def test_the_json_reads_back_with_neighbours(apart: Comparison) -> None:
    data = json.loads(tables.render(apart.run, "json"))
    assert [Row.from_json(item) for item in data] == apart.rows


def test_a_data_frame_has_the_columns_of_the_csv(apart: Comparison) -> None:
    pytest.importorskip("pandas")
    made = frame(apart.rows, apart.manifest)
    header = tables.render(apart.run, "csv").splitlines()[0].split(",")
    assert list(made.columns) == [*header, "class"]
    assert (made["equal_rate"] == "interpolated").sum() == sum(bool(row.equal_rate) for row in apart.rows)


def test_markdown_and_a_notebook_mark_interpolated_means(apart: Comparison) -> None:
    said = tables.render(apart.run, "markdown")
    assert "PSNR dB at equal rate" in said
    assert re.search(r"\| JPEG \|.*≈ ", said)
    assert "PSNR at equal rate |" in said
    assert "(≈ " in glance(apart.run)


@pytest.mark.parametrize("columns", [1, 2])
def test_latex_has_a_column_at_equal_rate_beside_the_measured_one(apart: Comparison, columns: int) -> None:
    said = latex.render(apart, columns=columns)
    assert "{JPEG} & {JPEG *}" in said
    assert "{WebP *}" not in said
    assert "* At equal rate" in said
    row = next(row for row in jpeg_rows(apart) if row.equal_rate)
    assert f"{row.psnr:.4f}" in said
    assert f"{row.equal_rate['psnr']:.4f}" in said


def test_the_page_and_the_figures_show_both(apart: Comparison, tmp_path: Path) -> None:
    html = page.render(apart.run, tmp_path / "page").read_text()
    assert "PSNR at equal rate" in html
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    cells = [cell for image in data["images"] for point in image["points"] for cell in point["cells"] if cell]
    beside = [cell["neighbour"] for cell in cells if cell["neighbour"]]
    assert len(beside) == sum(bool(row.equal_rate) for row in apart.rows)
    assert all(0 < some["share"] < 1 and (tmp_path / "page" / f"{some['frame']}.js").is_file() for some in beside)
    figures.render(apart.run, tmp_path / "figures", images=["astronaut"], formats=["png"], dpi=50)
    tex = supplement.write(apart.run, tmp_path / "tex", images=["astronaut"], dpi=50).read_text()
    assert r"$\approx$: at equal rate" in tex


def test_another_file_size_is_compared_at_one_size_where_a_neighbour_allows_it(apart_run: Run, tmp_path: Path) -> None:
    # the second run's JPEG is one quality higher: its neighbour is the first run's file
    other = make_run(tmp_path / "other", photographs())
    swapped = 0
    for row in apart_run.rows():
        beside = row.neighbour
        if beside is None:
            continue
        swapped += 1
        same = {name: getattr(beside, name) for name in ("knob", "num_bytes", "psnr", "ms_ssim")}
        bpp = 8 * beside.num_bytes / (row.width * row.height)
        back = replace(beside, knob=row.knob or 1, num_bytes=row.num_bytes or 1, psnr=row.psnr, ms_ssim=row.ms_ssim)
        residual = 100 * (bpp / (row.target_bpp or 0) - 1)
        other.write_row(replace(row, **same, bpp=bpp, residual_pct=residual, neighbour=back, equal_rate=row.equal_rate))
    compared = compare_runs(apart_run, other)
    jpeg = next(change for change in compared.codecs if change.codec == "jpeg")
    between = [pair for pair in jpeg.pairs if pair.between]
    assert 0 < len(between) == jpeg.interpolated <= swapped
    for pair in between:
        assert pair.psnr[0] == pytest.approx(pair.psnr[1])
        assert pair.first.psnr != pair.second.psnr
    assert jpeg.psnr is not None
    assert jpeg.psnr.mean == pytest.approx(0, abs=1e-3)
    assert any("are compared at one size" in note for note in notes(compared))
    cells = [cell for codec in json.loads(to_json(compared))["codecs"] for cell in codec["cells"]]
    assert sum(cell["interpolated"] for cell in cells) == len(between)


def test_a_size_outside_of_both_files_has_no_value(apart: Comparison) -> None:
    row = next(row for row in apart.rows if row.neighbour)
    assert row.num_bytes is not None
    assert at_size(row, "psnr", 1, "as it is") is None
    assert at_size(row, "psnr", row.num_bytes, "as it is") == row.psnr
