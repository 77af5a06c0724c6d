import csv
import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.errors import ReportError
from isorate.reports import latex, tables
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest
from isorate.runs.row import Row

from .conftest import HOSTILE


def read_csv(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables.render(run, "csv"))))


def test_csv_columns_are_the_stable_contract(run: Run) -> None:
    header = tables.render(run, "csv").splitlines()[0].split(",")
    assert header[:17] == [
        "image", "codec", "backend", "knob", "lmbda", "bin_size", "target_bpp", "bpp", "residual_pct", "psnr",
        "ms_ssim", "encode_s", "decode_s", "probes", "status", "stream", "decoded",
    ]  # fmt: skip
    nested = {"metrics", "neighbour", "equal_rate", "quality"}  # the last has columns in runs at equal quality alone
    rest = [name for name in Row.__dataclass_fields__ if name not in {*header[:17], *nested}]
    assert header[17:] == [
        *rest, "equal_rate", "equal_rate_psnr", "equal_rate_ms_ssim", "neighbour_knob", "neighbour_bytes",
        "neighbour_psnr", "neighbour_ms_ssim", "neighbour_stream",
    ]  # fmt: skip


def test_csv_gives_the_rows_back(run: Run) -> None:
    lines = read_csv(run)
    assert len(lines) == len(run.rows())
    for line, row in zip(lines, run.rows(), strict=True):
        assert float(line["bpp"]) == row.bpp
        assert float(line["psnr"]) == row.psnr
        assert line["ms_ssim"] == ("" if row.ms_ssim is None else str(row.ms_ssim))
        assert (run.path / line["stream"]).stat().st_size == int(line["num_bytes"])
        assert json.loads(line["options"]) == row.options


def test_csv_holds_failures_infinity_and_hostile_names(hostile_run: Run) -> None:
    by_codec = {line["codec"]: line for line in read_csv(hostile_run)}
    assert by_codec["webp"]["image"] == HOSTILE
    assert by_codec["webp"]["psnr"] == "inf"
    assert by_codec["jpeg"]["status"] == "failed: </script><img src=x>"
    assert by_codec["jpeg"]["psnr"] == ""


def test_json_reads_back_as_rows(hostile_run: Run) -> None:
    data = json.loads(tables.render(hostile_run, "json"))
    assert [Row.from_json(item) for item in data] == hostile_run.rows()
    whole = json.dumps([row.to_json() for row in hostile_run.rows()], indent=2, ensure_ascii=False) + "\n"
    assert tables.render(hostile_run, "json") == whole


def test_markdown_keeps_hostile_names_as_text(hostile_run: Run) -> None:
    text = tables.render(hostile_run, "markdown")
    assert "<script>" not in text
    assert "\\<script\\>" in text


def test_a_text_in_a_csv_is_no_formula_and_a_number_stays_one(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    said = run.manifest.to_json()
    said["dataset"]["images"][0]["name"] = '=HYPERLINK("x")'
    copy = Run.create(tmp_path / "run", Manifest.from_json(said))
    row = run.rows()[0]
    target = (row.bpp or 0) / 0.995
    copy.write_row(replace(row, image='=HYPERLINK("x")', note="@SUM(1)", residual_pct=-0.5, target_bpp=target))
    rows = list(csv.DictReader(io.StringIO(tables.render(copy, "csv"))))
    found = next(row for row in rows if "HYPERLINK" in row["image"])
    assert (found["image"], found["note"], found["residual_pct"]) == ('\'=HYPERLINK("x")', "'@SUM(1)", "-0.5")
    assert all(not value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_unknown_format_is_refused(run: Run) -> None:
    with pytest.raises(ReportError, match="csv, markdown, latex, json"):
        tables.render(run, "xlsx")  # type: ignore[arg-type]


def lines_of(text: str) -> dict[str, list[str]]:
    """Return the last table's lines by their first cell."""
    table = text[text.rindex(r"\toprule") :]
    cells = [line.removesuffix(r" \\").split(" & ") for line in table.splitlines() if " & " in line]
    return {first: rest for first, *rest in cells}


def test_latex_is_one_table_of_images_by_codecs_with_means(curve_run: Run) -> None:
    text = tables.render(curve_run, "latex")
    assert text.count(r"\begin{table*}") == 1
    assert "WebP at quality 30, every codec at the file size of WebP on the same image" in text
    assert "times" not in text
    lines = lines_of(text)
    assert list(lines)[-5:] == ["astronaut", "chelsea", "camera", "rocket", "mean"]
    rows = [row for row in curve_run.rows() if row.point == "webp-quality30" and row.image == "astronaut"]
    best, second, _ = sorted((f"{row.psnr:.4f}" for row in rows), reverse=True)
    assert rf"\bfseries {best}" in lines["astronaut"][3:6]
    assert rf"{{\underline{{{second}}}}}" in lines["astronaut"][3:6]
    assert lines["astronaut"][:3] == [f"{row.bpp:.4f}" for row in rows]
    assert lines["rocket"][6:] == ["{n/d}"] * 3
    assert "S[table-format=2.4]" in text


def test_latex_in_one_column_has_a_line_for_each_measure(curve_run: Run) -> None:
    text = tables.render(curve_run, "latex", residual=True, columns=1)
    assert text.startswith(r"\documentclass[twocolumn]")
    assert text.count(r"\begin{table}") == 1
    for title in ("BPP", "PSNR", "MS-SSIM", r"Residual (\%)"):
        assert text.count(f" & {title} & ") == 5
    with pytest.raises(ReportError, match="1 or 2 columns"):
        tables.render(curve_run, "latex", columns=3)


def test_latex_underlines_a_shorter_number_as_wide_as_the_others() -> None:
    assert latex._cell("9.5", 2, "2.1") == r"{\phantom{0}\underline{9.5}}"
    assert latex._cell("−9.5", 0, "+2.1") == "-9.5"
    assert latex._cell("∞", 1, "2.1") == r"{$\infty$}"
    assert latex._format([("−0.25", 0), ("10.5", 0), ("–", 0)]) == "+2.2"


def test_latex_continues_a_long_table(curve_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latex, "MOST", {True: 3, False: 1})
    text = tables.render(curve_run, "latex")
    assert text.count(r"\begin{table*}") == 2
    assert text.count("Continued from the page before.") == text.count(r"\addtocounter{table}{-1}") == 1
    assert text.count("\nmean & ") == 1


def test_latex_fragment_has_no_preamble(run: Run) -> None:
    assert r"\documentclass" not in tables.render(run, "latex", document=False)


def test_latex_escapes_what_tex_reads() -> None:
    assert latex.escape(r"a_b\{$&#%~^}") == (r"a\_b\textbackslash{}\{\$\&\#\%\textasciitilde{}\textasciicircum{}\}")
    assert latex.escape("写") == "[U+5199]"
    assert latex.escape("a--b") == "a-{}-b"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
@pytest.mark.parametrize("which", ["run", "hostile_run"])
def test_latex_compiles_as_it_is(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for columns in (1, 2):
        text = tables.render(request.getfixturevalue(which), "latex", residual=True, columns=columns)
        (tmp_path / "t.tex").write_text(text, "utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        if b"siunitx.sty' not found" in done.stdout:
            pytest.skip("no siunitx; install texlive-science")
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
        assert b"Overfull" not in done.stdout or which == "hostile_run"
