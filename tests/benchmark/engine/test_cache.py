from concurrent.futures import Executor
from importlib.metadata import version
from pathlib import Path

import platformdirs
import pytest

from isorate import api
from isorate.codecs.base import Codec
from isorate.codecs.jpeg import Jpeg
from isorate.datasets.kodak import kodak_folder
from isorate.engine.cache import Cache, Decoded, Measured, cache_dir
from isorate.errors import DatasetError
from isorate.matching.outcome import Policy
from isorate.metrics.identity import metrics_identity


def test_the_keys_depend_on_all_that_decides_and_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    tools = {"encode": tmp_path / "enc", "decode": tmp_path / "dec"}
    for tool in tools.values():
        tool.write_text("one")

    class Tool(Jpeg):
        encoder_files = (tools["encode"],)
        decoder_files = (tools["decode"],)

    def keys(codec: Codec, image: str = "a" * 64, *knobs: float) -> tuple[str, str, str, str]:
        return (
            cache.encode_key(image, codec, *knobs or (20.0,)),
            cache.size_key(image, codec, 3000.0, 0.5, Policy.NEAREST),
            cache.decode_key(codec, b"stream"),
            cache.measure_key(image, "d" * 64),
        )

    def changed(now: tuple[str, ...]) -> list[bool]:
        return [old != new for old, new in zip(base, now, strict=True)]

    base = keys(Tool())
    assert keys(Tool()) == base
    assert len(set(base)) == 4
    assert changed(keys(Tool(), "b" * 64)) == [True, True, False, True]
    assert changed(keys(Tool(), "a" * 64, 20.5)) == [True, False, False, False]
    assert changed(keys(Tool(), "a" * 64, 20.0, 1.0)) == [True, False, False, False]
    assert changed(keys(Tool(chroma="444"))) == [True, True, True, False]
    tools["encode"].write_text("another")
    assert changed(keys(Tool())) == [True, True, False, False]
    base = keys(Tool())
    tools["decode"].write_text("another")
    assert changed(keys(Tool())) == [False, False, True, False]
    base = keys(Tool())
    monkeypatch.setattr("isorate.engine.cache.metrics_identity", lambda: "another")
    assert changed(keys(Tool())) == [False, False, False, True]


def test_the_metrics_identity_is_their_code_and_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    before = metrics_identity()
    assert before == metrics_identity()
    for name in ("pytorch-msssim", "numpy"):
        metrics_identity.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr("isorate.metrics.identity.version", lambda n, name=name: "9.9" if n == name else version(n))
            assert metrics_identity() != before
        metrics_identity.cache_clear()
    assert before == metrics_identity()


def test_entries_come_back_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep_encode("k" * 64, b"stream", 0.5)
    kept = cache.encode("k" * 64)
    assert kept is not None
    assert kept.data == b"stream"
    next(tmp_path.rglob("*.stream")).write_bytes(b"strea")
    assert cache.encode("k" * 64) is None
    decoded = Decoded(b"pixels", ".webp", "f" * 64, 0.1)
    cache.keep_decoded("k" * 64, decoded)
    assert cache.decoded("k" * 64) == decoded
    next(tmp_path.rglob("*.decoded")).write_bytes(b"pixel")
    assert cache.decoded("k" * 64) is None
    measured = Measured(float("inf"), None)
    cache.keep_measured("k" * 64, measured)
    assert cache.measured("k" * 64) == measured
    next(tmp_path.rglob("*.measured")).write_text("{")
    assert cache.measured("k" * 64) is None
    assert cache.computed == 3


@pytest.mark.parametrize("damage", ["flipped", "swapped", "emptied"])
def test_a_damaged_or_swapped_entry_costs_time_only(
    damage: str, two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISORATE_CACHE_DIR", str(tmp_path / "cache"))

    def rows(out: str) -> list[tuple[object, ...]]:
        run = api.run(two_photos, tmp_path / out, anchor="jpeg", codecs=["jpeg2000"], points=["quality=20"],
                      executor=in_process)  # fmt: skip
        return [
            (row.key, row.status, row.stream_sha256, row.decoded_sha256, row.psnr, row.ms_ssim) for row in run.rows()
        ]

    first = rows("first")
    kinds: dict[str, list[Path]] = {}
    for file in sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file()):
        kinds.setdefault(file.suffix, []).append(file)
    assert {".encode", ".stream", ".decode", ".decoded", ".measured"} <= set(kinds)
    for files in kinds.values():
        contents = [file.read_bytes() for file in files]
        for file, data, other in zip(files, contents, [*contents[1:], contents[0]], strict=True):
            digits = data.replace(b"1", b"2") if file.suffix == ".measured" else data[:-9] + b"?" + data[-8:]
            file.write_bytes({"flipped": digits, "swapped": other, "emptied": b"{}"}[damage])
    assert rows("second") == first


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
