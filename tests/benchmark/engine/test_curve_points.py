"""Operating points for curves only: measured like the others, without pictures in the run folder."""

from collections import Counter
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

import isorate
from isorate.codecs.jpeg import Jpeg
from isorate.engine.reproduce import Outcome, reproduce
from isorate.errors import RunError, UsageError
from isorate.runs.folder import Run

POINT, CURVE = "jpeg-quality20", "jpeg-quality40"


def start(photos: Path, out: Path, executor: Executor, **changes: Any) -> Run:
    given = {"points": ["quality=20"], "curve_points": ["quality=40"], **changes}
    return isorate.run(
        photos, out, anchor=Jpeg(), codecs=[Jpeg(chroma="444")], images=["coffee"], executor=executor, **given
    )


@pytest.fixture
def run(two_photos: Path, tmp_path: Path, in_process: Executor) -> Run:
    return start(two_photos, tmp_path / "run", in_process)


def test_the_rows_are_those_of_a_point_with_pictures(
    run: Run, two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    kept = start(two_photos, tmp_path / "kept", in_process, points=["quality=20", "quality=40"], curve_points=())
    for row, other in zip(run.rows(), kept.rows(), strict=True):
        assert row.ok
        assert (row.key, row.bpp, row.psnr, row.ms_ssim) == (other.key, other.bpp, other.psnr, other.ms_ssim)
        assert (row.stream_sha256, row.decoded_sha256) == (other.stream_sha256, other.decoded_sha256)
        assert bool(row.decoded) == (row.point == POINT)
    assert len(list((run.path / "decoded").iterdir())) == 2
    assert len(list((run.path / "streams").iterdir())) == 4


def test_a_continued_run_makes_nothing_anew_but_a_lost_stream(run: Run, two_photos: Path, in_process: Executor) -> None:
    row = next(row for row in run.rows() if row.point == CURVE)
    assert run.has_files(row)
    before = (run.path / row.stream).stat().st_mtime_ns
    start(two_photos, run.path, in_process)
    assert (run.path / row.stream).stat().st_mtime_ns == before
    (run.path / row.stream).unlink()
    assert not run.has_files(row)
    start(two_photos, run.path, in_process)
    assert run.has_files(row)


def test_everything_of_it_comes_from_the_cache(
    run: Run, two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    seen: list[Counter[str]] = []
    start(two_photos, tmp_path / "again", in_process, progress=lambda counts, done, total: seen.append(Counter(counts)))
    assert seen[-1] == {"ok": 4, "cached": 4}


def test_a_cached_checksum_stands_for_no_picture(
    run: Run, two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    kept = start(two_photos, tmp_path / "kept", in_process, points=["quality=40"], curve_points=())
    assert all(kept.has_files(row) and row.decoded for row in kept.rows())


def test_it_reproduces(run: Run, tmp_path: Path, in_process: Executor) -> None:
    again = reproduce(run, tmp_path / "again", executor=in_process)
    assert [item.outcome for item in again] == [Outcome.SAME_FILE] * 4
    assert not Run.open(tmp_path / "again").manifest.keeps_pictures(CURVE)


def test_the_same_points_with_pictures_are_another_run(run: Run, two_photos: Path, in_process: Executor) -> None:
    with pytest.raises(RunError, match=f"point {CURVE} was without pictures, is with pictures"):
        start(two_photos, run.path, in_process, points=["quality=20", "quality=40"], curve_points=())
    with pytest.raises(UsageError, match=f"operating point {POINT} is given twice"):
        start(two_photos, run.path, in_process, curve_points=["quality=20"])


def test_a_file_is_decoded_once_for_all_that_is_measured(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    plain = Jpeg.decode
    monkeypatch.setattr(Jpeg, "decode", lambda codec, data: decoded.append(1) or plain(codec, data))  # type: ignore[func-returns-value]
    done = start(two_photos, tmp_path / "run", in_process, metrics=["psnr_y", "ssim"], use_cache=False)
    assert all(row.ok and len(row.metrics) == 2 for row in done.rows())
    assert len(decoded) == len(done.rows())


def test_what_is_no_picture_is_not_measured_there_either(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Jpeg.decode
    monkeypatch.setattr(Jpeg, "decode", lambda codec, data: plain(codec, data).astype(float))
    done = start(two_photos, tmp_path / "run", in_process, use_cache=False)
    assert {row.point for row in done.rows()} == {POINT, CURVE}
    assert all("jpeg: decode returned an array of shape" in row.status for row in done.rows() if row.role == "anchor")
