"""The batches for codec-compare: what its reader takes, and what would mislead it."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate.cli import main
from isorate.errors import ReportError
from isorate.reports.codec_compare import LIST, batch, write
from isorate.reports.results import Comparison
from isorate.runs.folder import Run


def read(folder: Path) -> dict[str, Any]:
    """Return the batches by name as codec-compare's loader reads them, with its checks: one name, one value."""
    found = {}
    for path in json.loads((folder / LIST).read_text(encoding="utf-8")):
        data = json.loads((folder / str(path[0])).read_text(encoding="utf-8"))
        constants, fields = ([next(iter(d)) for d in data[f"{kind}_descriptions"]] for kind in ("constant", "field"))
        assert len(constants) == len(data["constant_values"])
        assert all(len(row) == len(fields) for row in data["field_values"])
        rows = [dict(zip(fields, row, strict=True)) for row in data["field_values"]]
        named = dict(zip(constants, data["constant_values"], strict=True))
        found[str(named["name"])] = {**named, "rows": rows}
    return found


def test_every_row_is_there_with_the_readers_names(run: Run, tmp_path: Path) -> None:
    comparison = Comparison(run)
    small = [row for row in run.rows() if row.image == "rocket"]  # too small for MS-SSIM
    assert write(comparison, tmp_path) == {c.codec: len(small) // 3 for c in comparison.columns}
    batches = read(tmp_path)
    assert list(batches) == [column.label for column in comparison.columns]
    for row in run.rows():
        if row in small:
            continue
        of_codec = batches[row.label]
        assert (of_codec["codec"], of_codec["version"]) == (row.codec, row.backend)
        assert all(f"{name}={value}" in of_codec["options"] for name, value in row.options.items())
        (found,) = [r for r in of_codec["rows"] if (r["original_name"], r["point"]) == (row.image, row.point)]
        assert (found["encoded_size"], found["width"], found["height"]) == (row.num_bytes, row.width, row.height)
        assert found["psnr"] == row.psnr
        assert row.ms_ssim is not None
        assert 1 - 10 ** (-found["msssim"] / 10) == pytest.approx(row.ms_ssim, abs=1e-9)


def test_what_is_not_finite_or_failed_stays_out_and_is_counted(
    hostile_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = hostile_run.rows()
    bad = {row.codec for row in rows if not row.ok or row.psnr == math.inf}
    assert main(["codec-compare", str(hostile_run.path), "-o", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / LIST}\n"
    assert all(f"{codec}: 1 rows left out" in said.err for codec in bad)
    assert {b["codec"] for b in read(tmp_path).values()} == {row.codec for row in rows} - bad


def test_a_field_that_a_row_lacks_is_left_out(run: Run) -> None:
    comparison = Comparison(run)
    column = comparison.columns[0]
    rows = [replace(row, encode_s=1.5, decode_s=0.5) for row in comparison.rows if row.codec == column.codec]
    names = [next(iter(field)) for field in batch(comparison, column, rows)["field_descriptions"]]
    assert names[-3:] == ["knob", "encoding_time", "decoding_time"]
    rows[0] = replace(rows[0], knob=None, decode_s=None)
    names = [next(iter(field)) for field in batch(comparison, column, rows)["field_descriptions"]]
    assert names[-2:] == ["msssim", "encoding_time"]


def test_a_run_without_a_usable_row_is_refused(hostile_run: Run, tmp_path: Path) -> None:
    comparison = Comparison(hostile_run)
    comparison.rows = [replace(row, status="failed: no", psnr=None) for row in comparison.rows]
    with pytest.raises(ReportError, match="every row failed or lacks a value"):
        write(comparison, tmp_path)
    assert not (tmp_path / LIST).exists()
