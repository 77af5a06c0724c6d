"""Two commands in one run folder: the same ones share it; of different ones no row is taken for the other's."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.codecs.webp import WebP
from isorate.errors import RunError
from isorate.gate.accept import make_baseline
from isorate.image import Image
from isorate.runs.belonging import run_digest
from isorate.runs.folder import Run
from isorate.runs.row import Row


@pytest.fixture
def another() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def start(photos: Path, out: Path, executor: Executor, **changes: Any) -> Run:
    given: dict[str, Any] = {"anchor": "jpeg", "codecs": ["webp"], "points": ["quality=20"], "use_cache": False}
    return api.run(photos, out, executor=executor, **given | changes)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen as soon as the first file of WebP is encoded, which ends in a cell of the first run."""

    def arrange(happens: Callable[[], object]) -> None:
        real = WebP.encode
        left = [happens]

        def encode(codec: WebP, image: Image, knob: float) -> bytes:
            while left:
                left.pop()()
            return real(codec, image, knob)

        monkeypatch.setattr(WebP, "encode", encode)

    return arrange


@pytest.mark.parametrize("changes", [
    {"tolerance_pct": 20.0}, {"codecs": ["webp:method=0"]}, {"points": ["quality=30"]}, {"match": "psnr"},
])  # fmt: skip
def test_a_command_whose_folder_another_one_began_anew_stops(
    two_photos: Path, tmp_path: Path, in_process: Executor, another: Executor,
    meanwhile: Callable[[Callable[[], object]], None], changes: dict[str, Any],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    rows: list[Row] = []
    meanwhile(lambda: rows.extend(start(two_photos, out, another, overwrite=True).rows()))
    with pytest.raises(RunError, match=r"run: holds another run by now, .*\(-o\)"):
        start(two_photos, out, in_process, **changes)
    assert len(rows) == 4
    assert Run.open(out).rows() == rows
    assert start(two_photos, out, in_process).rows() == rows
    assert {row.options.get("method") for row in rows if row.codec == "webp"} == {6}


def test_a_command_whose_folder_is_gone_stops(
    two_photos: Path, tmp_path: Path, in_process: Executor, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    meanwhile(lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(RunError, match=r"manifest.json: cannot be read any more \(No such file or directory\)"):
        start(two_photos, tmp_path / "run", in_process)
    assert not (tmp_path / "run" / "rows").exists()


@pytest.mark.filterwarnings("ignore:.*--keep streams until now")
@pytest.mark.parametrize("changes", [{}, {"overwrite": True}, {"keep": "decoded"}])
def test_the_same_command_twice_shares_a_folder(
    two_photos: Path, tmp_path: Path, in_process: Executor, another: Executor,
    meanwhile: Callable[[Callable[[], object]], None], changes: dict[str, Any],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    both: list[Run] = []
    meanwhile(lambda: both.append(start(two_photos, out, another, **changes)))
    both.append(start(two_photos, out, in_process, keep="streams" if "keep" in changes else None))
    assert [[row.ok for row in run.rows()] for run in both] == [[True] * 4] * 2
    assert len(Run.open(out).rows()) == 4


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_began_while_images_were_read_is_seen(
    two_photos: Path, tmp_path: Path, in_process: Executor, another: Executor, overwrite: bool
) -> None:
    out = tmp_path / "run"
    if overwrite:
        start(two_photos, out, in_process, points=["quality=40"])
    left = [lambda: start(two_photos, out, another, points=["quality=30"], overwrite=overwrite)]

    def preparing(*_: object) -> None:
        while left:
            left.pop()()

    if overwrite:
        done = start(two_photos, out, in_process, points=["quality=30"], overwrite=True, preparing=preparing)
        assert len(done.rows()) == 4
        assert Run.open(out).manifest.created == done.manifest.created
    else:
        with pytest.raises(RunError, match=r"points was \['jpeg-quality30'\], is \['jpeg-quality20'\]"):
            start(two_photos, out, in_process, preparing=preparing)
        assert len(Run.open(out).rows()) == 4


def test_rows_that_come_from_the_run_before_count_for_nothing(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    out = tmp_path / "run"
    before = start(two_photos, out, in_process, tolerance_pct=20.0)
    late = replace(before.rows()[1], note="late")
    shutil.copytree(out / "rows", tmp_path / "rows")
    now = start(two_photos, out, in_process, overwrite=True)
    rows = now.rows()
    assert now.manifest.first_generation > 1
    shutil.copytree(tmp_path / "rows", out / "rows", dirs_exist_ok=True)
    before._shard = None
    before.join_generation(1)
    before.write_row(late)
    assert Run.open(out).rows() == rows
    for key in [row.key for row in rows]:
        assert now.remove_row(*key)
    assert Run.open(out).rows() == []
    assert len(start(two_photos, out, in_process).rows()) == 4


@pytest.mark.parametrize("change", [
    {"options": {"method": 0, "chroma": "420"}}, {"image_sha256": "0" * 64},
    {"width": 7, "bpp": None, "num_bytes": None},
    {"role": "anchor"}, {"point": "jpeg-quality30"}, {"codec": "avif"}, {"image": "kodim01"},
    {"status": "failed: x", "codec": "avif"},
])  # fmt: skip
def test_a_row_that_the_manifest_does_not_describe_is_made_anew(
    two_photos: Path, tmp_path: Path, in_process: Executor, change: dict[str, Any]
) -> None:
    run = start(two_photos, tmp_path / "run", in_process)
    rows = run.rows()
    run.remove_row(*rows[1].key)
    run.write_row(replace(rows[1], **change))
    assert [row.key for row in Run.open(run.path).rows()] == [row.key for row in rows if row is not rows[1]]
    with pytest.raises(RunError, match="3 of 4"):
        make_baseline(Run.open(run.path))
    again = start(two_photos, run.path, in_process).rows()
    assert [replace(row, encode_s=0, decode_s=0) for row in again] == [
        replace(row, encode_s=0, decode_s=0) for row in rows
    ]


def test_a_digest_is_the_same_for_whatever_shares_its_rows(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    run = start(two_photos, tmp_path / "run", in_process, tolerance_pct=1)
    manifest = run.manifest
    assert run_digest(Run.open(run.path).manifest) == run_digest(manifest)
    assert run_digest(replace(manifest, created="now", title="t", command=("x",))) == run_digest(manifest)
    assert run_digest(replace(manifest, tolerance_pct=2)) != run_digest(manifest)
    assert run_digest(replace(manifest, metrics="m")) != run_digest(manifest)
