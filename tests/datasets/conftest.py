"""Small real photographs in folders, and nobody else's data sets."""

import hashlib
import tarfile
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from isorate.datasets.added import ENVIRONMENT
from isorate.image import Image

SHA = "0123456789abcdef" * 4


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def tar_of(path: Path, folder: Path, form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for file in sorted(folder.rglob("*")):
            tar.add(file, file.relative_to(folder).as_posix(), recursive=False)
    return path


@pytest.fixture
def classes(tmp_path: Path, astronaut: Image, coffee: Image) -> Path:
    """A folder with three photographs in the folders of two classes, two of them with one name."""
    folder = tmp_path / "classes"
    for place, image in (
        ("people/one.png", astronaut[20:84, 130:210]),
        ("things/one.png", coffee[100:170, 150:214]),
        ("things/two.png", coffee[0:64, 0:96]),
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(image).save(folder / place)
    return folder


@pytest.fixture(autouse=True)
def own_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data set is added when a test begins."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "added"))
    return tmp_path / "added"
