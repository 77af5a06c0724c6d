from concurrent.futures import Executor
from pathlib import Path

import platformdirs
import pytest

from isorate import api
from isorate.codecs.jpeg import Jpeg
from isorate.datasets.kodak import kodak_folder
from isorate.engine.cache import Cache, Measured, cache_dir
from isorate.errors import DatasetError


def test_the_key_depends_on_all_that_decides_the_bytes(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    base = cache.key("a" * 64, Jpeg(), 20.0)
    assert base == cache.key("a" * 64, Jpeg(), 20.0)
    others = [
        cache.key("b" * 64, Jpeg(), 20.0),
        cache.key("a" * 64, Jpeg(), 20.5),
        cache.key("a" * 64, Jpeg(chroma="444"), 20.0),
        cache.key("a" * 64, Jpeg(), 20.0, 1.0),
    ]
    assert len({base, *others}) == 5


def test_entries_come_back_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep_encode("k" * 64, b"stream", 0.5)
    kept = cache.encode("k" * 64)
    assert kept is not None
    assert kept.data == b"stream"
    next(tmp_path.rglob("*.stream")).write_bytes(b"strea")
    assert cache.encode("k" * 64) is None
    measured = Measured(float("inf"), None, 0.1, "f" * 64, ".webp")
    cache.keep_measured("k" * 64, measured, b"pixels")
    assert cache.measured("k" * 64) == (measured, b"pixels")
    next(tmp_path.rglob("*.measured")).write_text("{")
    assert cache.measured("k" * 64) is None


def test_a_cache_that_cannot_be_written_is_told_and_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="going on without the cache"):
        cache.keep_encode("k" * 64, b"stream", 0.5)
    assert cache.encode("k" * 64) is None


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without HOME and without an entry in the system's list of users."""

    def nowhere(*_: object, **__: object) -> None:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("ISORATE_CACHE_DIR", raising=False)
    monkeypatch.delenv("ISORATE_KODAK_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", nowhere)


def test_a_user_without_a_home_has_no_cache_and_is_told(
    no_home: None, two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    assert cache_dir() is None
    with pytest.warns(UserWarning, match="no home folder; name one in ISORATE_CACHE_DIR"):
        run = api.run(
            two_photos, tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=30"], executor=in_process
        )
    assert all(row.ok for row in run.rows())
    with pytest.raises(DatasetError, match="ISORATE_KODAK_DIR"):
        kodak_folder(cache_dir())


def test_the_users_folder_comes_first(no_home: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISORATE_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
