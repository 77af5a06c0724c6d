from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.datasets.registry import open_dataset
from isorate.errors import DatasetError
from isorate.verification import verify as module
from isorate.verification.supplementary import paper_rows
from isorate.verification.verify import PRINTED, Verified, verify


@pytest.mark.kodak
@pytest.mark.slow
def test_the_supplementarys_rows_of_one_photograph(
    kodak_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(row for row in paper_rows() if row.image == "kodim23")
    monkeypatch.setattr(module, "paper_rows", lambda: rows)
    with ThreadPoolExecutor(1) as executor:
        found = list(verify(open_dataset(str(kodak_dir), tmp_path), executor))
    assert [row.codec for row in found] == ["bpg444", "jpeg2000", "jpeg"]
    assert all(row.ok for row in found), found
    jpeg = found[-1]
    assert f"{jpeg.ours[0]:.4f} {jpeg.ours[1]:.4f}" == "0.1299 27.1270"


def test_all_eighteen_rows_ship_with_the_project() -> None:
    rows = paper_rows()
    assert len(rows) == 18
    assert {row.codec for row in rows} == {"bpg444", "jpeg2000", "jpeg"}


def test_the_tolerances_can_fail() -> None:
    row = Verified("kodim02", "jpeg", "", "knob value", (0.1925, 28.7086, 0.8588), (0.1925, 28.7086, 0.8588), PRINTED)
    assert row.ok
    for ours in ((0.1926, 28.7086, 0.8588), (0.1925, 28.7100, 0.8588), (0.1925, 28.7086, 0.8585)):
        assert not replace(row, ours=ours).ok


def test_a_data_set_without_the_six_photographs_is_refused(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    with pytest.raises(DatasetError, match="has no kodim02, kodim04"):
        list(verify(open_dataset(str(two_photos), tmp_path), in_process))
