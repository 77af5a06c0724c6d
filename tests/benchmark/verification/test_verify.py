import math
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.codecs.base import Codec
from isorate.codecs.bpg import Bpg
from isorate.datasets.registry import open_dataset
from isorate.errors import DatasetError
from isorate.image import Image
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


@pytest.mark.parametrize("larger", [1.005, 1.03, 1.1, 1.21])
def test_a_value_at_a_rate_lies_between_the_two_neighbouring_files(
    larger: float, monkeypatch: pytest.MonkeyPatch, photo: Image
) -> None:
    """Files at QP 37 and 36 are 22 % apart: below a size 3 and 15 % above 1.03 times QP 37's there is that alone."""
    sizes = {qp: round(4000 * 0.82 ** (qp - 37)) for qp in range(52)}
    num_pixels = photo.shape[0] * photo.shape[1]

    class Made(Bpg):
        def encode(self, image: Image, knob: float) -> bytes:
            return bytes(sizes[int(knob)])

    def measured(_codec: Codec, _image: Image, knob: float) -> tuple[float, float, float]:
        return 8 * sizes[int(knob)] / num_pixels, -(knob**2), -2 * knob**2

    monkeypatch.setattr(module, "_measure", measured)
    low, high = (8 * sizes[qp] / num_pixels for qp in (37, 36))
    share = math.log(larger) / math.log(high / low)
    psnr = -(37**2) + share * (37**2 - 36**2)
    expected = (larger * low, psnr, 2 * psnr)
    assert module._at_rate(Made(), photo, larger * low) == pytest.approx(expected)


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
