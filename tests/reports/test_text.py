import doctest
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from isorate.reports import cells, latex, summary, tables, text
from isorate.reports.measures import ALWAYS, Measure, lines
from isorate.runs.aim import Aim
from isorate.runs.row import Row

BPP, PSNR, MS_SSIM = ALWAYS

ROW = Row(
    image="a", width=1, height=1, image_sha256="", codec="c", label="C", point="p", bpp=0.2, psnr=30.0, ms_ssim=0.9
)


@pytest.mark.parametrize("module", [text, latex, tables, summary])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_values_that_are_not_numbers() -> None:
    assert PSNR.written(None) == "–"
    assert PSNR.written(replace(ROW, status="failed: x")) == "failed"
    assert MS_SSIM.written(replace(ROW, ms_ssim=None)) == "n/d"
    assert PSNR.written(replace(ROW, psnr=math.inf)) == "∞"


def places(measure: Measure, rows: Sequence[Row | None]) -> list[int]:
    (line,) = lines(rows, [measure], Aim.size(0.5))
    return [place for _, place in line.values]


def test_equal_print_is_equal_rank() -> None:
    rows = [
        replace(ROW, psnr=30.00001),
        replace(ROW, psnr=30.00004),
        replace(ROW, psnr=29.0),
        None,
        replace(ROW, psnr=28),
    ]
    assert places(PSNR, [*rows, replace(ROW, psnr=99.0, status="failed: x")]) == [1, 1, 2, 0, 0, 0]


def test_a_smaller_file_has_not_won() -> None:
    assert places(BPP, [ROW, replace(ROW, bpp=0.1)]) == [0, 0]


def test_the_smaller_error_is_the_best() -> None:
    error = Measure("flip", "FLIP", 2, direction=-1)
    rows = [replace(ROW, metrics={"flip": value}) for value in (0.3, 0.1, None, 0.2)]
    assert places(error, rows) == [0, 1, 0, 2]
    assert [error.written(row) for row in rows] == ["0.30", "0.10", "n/d", "0.20"]


def test_knob_of_one_and_of_two() -> None:
    assert text.knob(replace(ROW, knob_name="quality", knob=13.0)) == "quality 13"
    assert text.knob(replace(ROW, lmbda=0.01, bin_size=1.5)) == "λ 0.01, Δ 1.5"
    assert text.knob(ROW) == "–"


def test_markdown_shows_what_a_terminal_would_obey() -> None:
    assert cells.markdown_escape("a\x1b[31m\u202eb\nc") == r"a\\x1b\[31m\\u202eb c"
