from dataclasses import replace
from pathlib import Path

import pytest

from isorate.codecs.overfitted.shipped.files import shipped_files
from isorate.datasets.registry import open_dataset
from isorate.errors import CodecError, DatasetError
from isorate.verification import fitted_files as module
from isorate.verification.fitted_files import verify_fitted


@pytest.mark.kodak
def test_the_shipped_files_are_above_bpg_at_its_rate(kodak_dir: Path, tmp_path: Path) -> None:
    found = list(verify_fitted(open_dataset(str(kodak_dir), tmp_path)))
    assert [row.file.image for row in found] == ["kodim02", "kodim04", "kodim15", "kodim19", "kodim20", "kodim23"]
    assert all(row.ok for row in found)
    for row in found:
        rate, quality, similarity = row.ours
        assert rate <= 1.005 * row.bpg.bpp
        assert quality > row.bpg.psnr
        assert similarity > row.bpg.ms_ssim
    first = found[0]
    assert not replace(first, file=replace(first.file, psnr=first.file.psnr + 0.02)).ok
    assert not replace(first, file=replace(first.file, ms_ssim=first.file.ms_ssim - 0.001)).ok


@pytest.mark.kodak
def test_another_file_is_refused(kodak_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (replace(shipped_files()[0], sha256="0" * 64),)
    monkeypatch.setattr(module, "shipped_files", lambda: wrong)
    with pytest.raises(CodecError, match=r"kodim02\.ofi: not the file that came with isorate"):
        list(verify_fitted(open_dataset(str(kodak_dir), tmp_path)))


def test_a_data_set_without_the_photographs_is_refused(two_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no kodim02, kodim04"):
        list(verify_fitted(open_dataset(str(two_photos), tmp_path)))


def test_the_files_are_of_the_photographs_sizes() -> None:
    assert sum(len(file.read()) for file in shipped_files()) < 60_000
