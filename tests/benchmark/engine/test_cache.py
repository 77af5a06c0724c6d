import pytest

from isorate.codecs.jpeg import Jpeg
from isorate.engine.cache import Cache, Measured


def test_the_key_depends_on_all_that_decides_the_bytes(tmp_path):
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


def test_entries_come_back_whole_or_not_at_all(tmp_path):
    cache = Cache(tmp_path)
    cache.keep_encode("k" * 64, b"stream", 0.5)
    assert cache.encode("k" * 64).data == b"stream"
    next(tmp_path.rglob("*.stream")).write_bytes(b"strea")
    assert cache.encode("k" * 64) is None
    measured = Measured(float("inf"), None, 0.1, "f" * 64, ".webp")
    cache.keep_measured("k" * 64, measured, b"pixels")
    assert cache.measured("k" * 64) == (measured, b"pixels")
    next(tmp_path.rglob("*.measured")).write_text("{")
    assert cache.measured("k" * 64) is None


def test_a_cache_that_cannot_be_written_is_told_and_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="going on without the cache"):
        cache.keep_encode("k" * 64, b"stream", 0.5)
    assert cache.encode("k" * 64) is None
