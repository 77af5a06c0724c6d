import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.codecs.jpeg import Jpeg
from isorate.errors import CodecError, RunError, UsageError
from isorate.image import Image, pixels_sha256
from isorate.metrics import ms_ssim, psnr
from isorate.runs.folder import Run
from isorate.runs.point import AnchorPoint

from .test_execution import rows_written


def run(two_photos: Path, out: Path, in_process: Executor, **more: Any) -> Run:
    options = {"anchor": "jpeg", "codecs": ["jpeg2000"], "points": ["quality=20"], **more}
    return api.run(str(two_photos), out, executor=in_process, **options)


def test_every_number_comes_from_the_files(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    done = run(two_photos, tmp_path / "run", in_process, points=["quality=20", "bpp=0.6"])
    rows = done.rows()
    assert [(row.image, row.point, row.codec) for row in rows] == [
        (image, point, codec)
        for image in ("astronaut", "coffee")
        for point in ("jpeg-quality20", "jpeg-bpp0.6")
        for codec in ("jpeg", "jpeg2000")
    ]
    for row in rows:
        source = np.asarray(PillowImage.open(two_photos / f"{row.image}.png"))
        data = (done.path / row.stream).read_bytes()
        decoded = np.asarray(PillowImage.open(done.path / row.decoded).convert("RGB"))
        assert row.ok
        assert np.array_equal(done.original(row.image), source)
        assert row.image_sha256 == pixels_sha256(source)
        assert row.num_bytes == len(data)
        assert row.bpp == 8 * len(data) / (row.width * row.height)
        assert row.target_bpp is not None
        assert row.residual_pct == pytest.approx(100 * (row.bpp / row.target_bpp - 1), abs=1e-9)
        assert row.psnr == pytest.approx(psnr(source, decoded))
        assert row.ms_ssim == pytest.approx(ms_ssim(source, decoded))
        assert row.decoded_sha256 == pixels_sha256(decoded)
        assert row.probes == len(row.trace) >= 1
        assert [row.knob, row.num_bytes] in row.trace
    anchor, matched = rows[0], rows[1]
    assert (anchor.role, anchor.knob, anchor.residual_pct) == ("anchor", 20, 0)
    assert matched.target_bpp == anchor.bpp
    assert matched.residual_pct is not None
    assert abs(matched.residual_pct) < 1


def test_the_manifest_says_what_was_compared(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    manifest = run(two_photos, tmp_path / "run", in_process, command=["isorate", "run"]).manifest
    assert manifest == Run.open(tmp_path / "run").manifest
    assert (manifest.anchor, manifest.codec_names) == ("jpeg", ("jpeg", "jpeg2000"))
    assert "OpenJPEG" in manifest.codec("jpeg2000").backend
    assert manifest.versions["pillow"]
    cores = manifest.platform["cores"]
    assert isinstance(cores, int)
    assert cores >= 1
    assert manifest.command == ("isorate", "run")
    assert manifest.image_names == ("astronaut", "coffee")
    assert manifest.points == (AnchorPoint(name="jpeg-quality20", kind="knob", knob="quality", value=20),)


def test_the_same_call_continues_and_restores_what_is_missing(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    before = run(two_photos, out, in_process)
    rows = before.rows()
    before.remove_row("coffee", "jpeg-quality20", "jpeg2000")
    shutil.rmtree(out / "decoded")
    encoded = []
    monkeypatch.setattr(Jpeg, "encode", lambda *_: encoded.append(1))
    again = run(two_photos, out, in_process)
    assert again.rows() == rows
    assert encoded == []
    assert again.manifest == before.manifest


def test_another_configuration_is_refused_unless_told_to_overwrite(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    out = tmp_path / "run"
    first = run(two_photos, out, in_process).rows()
    with pytest.raises(RunError, match=r"points was \['jpeg-quality20'\], is \['jpeg-quality30'\]"):
        run(two_photos, out, in_process, points=["quality=30"])
    with pytest.raises(RunError, match=r"codec jpeg2000: options was .*9/7.*, is .*5/3"):
        run(two_photos, out, in_process, codecs=["jpeg2000:wavelet=5/3"])
    assert Run.open(out).rows() == first
    assert {row.point for row in run(two_photos, out, in_process, points=["quality=30"], overwrite=True).rows()} == {
        "jpeg-quality30"
    }


def test_changed_images_are_another_run(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run(two_photos, tmp_path / "run", in_process)
    with PillowImage.open(two_photos / "coffee.png") as opened:
        flipped = opened.transpose(PillowImage.Transpose.FLIP_TOP_BOTTOM)
    flipped.save(two_photos / "coffee.png")
    with pytest.raises(RunError, match=r"image coffee: sha256 was .*, is "):
        run(two_photos, tmp_path / "run", in_process)


def test_a_folder_that_is_something_else_is_left_alone(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    with pytest.raises(RunError, match="not empty and not a run"):
        run(two_photos, two_photos, in_process)
    assert sorted(file.name for file in two_photos.iterdir()) == ["astronaut.png", "coffee.png"]


def test_a_failing_codec_is_a_row_and_is_tried_again(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isorate.codecs.jpeg2000 import Jpeg2000

    def fail(*_: object) -> None:
        raise CodecError("jpeg2000: no luck today")

    with monkeypatch.context() as patch:
        patch.setattr(Jpeg2000, "encode", fail)
        rows = run(two_photos, tmp_path / "run", in_process, use_cache=False).rows()
    assert [row.status for row in rows] == ["ok", "failed: jpeg2000: no luck today"] * 2
    assert [row.ok for row in run(two_photos, tmp_path / "run", in_process).rows()] == [True] * 4


def test_an_unexpected_error_is_a_row_that_says_where(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jpeg, "decode", lambda *_: 1 / 0)
    rows = run(two_photos, tmp_path / "run", in_process, use_cache=False).rows()
    assert rows[0].status.startswith("failed: unexpected ZeroDivisionError: division by zero (test_runner.py:")
    assert rows[1].status == "failed: the anchor failed on this image, so there is no rate to match"


def test_one_damaged_image_fails_its_cells_only(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    (two_photos / "broken.png").write_text("this is no picture")
    rows = run(two_photos, tmp_path / "run", in_process).rows()
    assert {row.image: row.ok for row in rows} == {"astronaut": True, "broken": False, "coffee": True}
    assert all("not an image" in row.status for row in rows if not row.ok)


@dataclass(frozen=True)
class Scribbling(Jpeg):
    """Forces its way into the picture that it is given."""

    name, label = "scribbling", "Scribbling"

    def encode(self, image: Image, knob: float) -> bytes:
        image.flags.writeable = True
        image[:] = 0
        return super().encode(image, knob)


def test_a_codec_that_writes_into_its_picture_fails_its_own_rows(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    done = run(two_photos, tmp_path / "run", in_process, codecs=[Scribbling(), "jpeg2000"])
    assert {(row.codec, row.ok) for row in done.rows()} == {("jpeg", True), ("scribbling", False), ("jpeg2000", True)}
    assert all("WRITEABLE" in row.status for row in done.rows() if not row.ok)
    clean = run(two_photos, tmp_path / "clean", in_process, use_cache=False)
    scribbled = {row.key: row for row in done.rows()}
    for row in clean.rows():
        assert np.array_equal(done.original(row.image), np.asarray(PillowImage.open(two_photos / f"{row.image}.png")))
        beside = scribbled[row.key]
        assert (beside.stream_sha256, beside.psnr) == (row.stream_sha256, row.psnr)


def test_the_same_codec_twice_gets_two_names(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    rows = run(two_photos, tmp_path / "run", in_process, codecs=["jpeg:chroma=444"]).rows()
    assert [(row.codec, row.label) for row in rows[:2]] == [
        ("jpeg", "JPEG"),
        ("jpeg:chroma=444", "JPEG (chroma=444)"),
    ]


def test_an_unreachable_rate_is_the_nearest_and_marked(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    low = run(two_photos, tmp_path / "low", in_process, anchor="jpeg2000", codecs=["jpeg"], points=["bpp=0.02"]).rows()[
        1
    ]
    high = run(
        two_photos, tmp_path / "high", in_process, anchor="jpeg2000", codecs=["jpeg"], points=["cratio=1"]
    ).rows()[1]
    assert low.note == "unreachable: this is the smallest file the knob can give"
    assert low.residual_pct is not None
    assert low.residual_pct > 100
    assert high.note.startswith("unreachable: this is the largest file")
    assert low.ok
    assert high.ok


def test_strict_fails_the_cell_outside_the_tolerance(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    rows = run(two_photos, tmp_path / "run", in_process, anchor="jpeg2000", codecs=["jpeg:mode=integer"],
               points=["bpp=0.5"], policy="strict", tolerance_pct=0.01).rows()  # fmt: skip
    assert any(row.status.startswith("failed: nearest size") for row in rows)


def test_lossless_results_and_tiny_images_are_rows_too(tmp_path: Path, in_process: Executor, astronaut: Image) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    PillowImage.fromarray(np.full((9, 5, 3), 128, np.uint8)).save(folder / "grey.png")
    PillowImage.fromarray(astronaut[:1, :1]).save(folder / "pixel.png")
    done = run(folder, tmp_path / "run", in_process, points=["quality=100"])
    for row in done.rows():
        assert row.ok, row.status
        assert row.ms_ssim is None
    assert done.rows()[0].psnr == float("inf")
    lines = [json.loads(line) for shard in (done.path / "rows").iterdir() for line in shard.read_bytes().splitlines()]
    assert {line["row"]["psnr"] for line in lines if "row" in line and line["row"]["image"] == "grey"} == {"inf"}


def test_hostile_names_stay_inside_the_run_folder(tmp_path: Path, in_process: Executor, photo: Image) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    names = ["<script>alert(1)<", "ünï ₡ode 図", "a'b\"c", "x" * 200, "dots..", "-dash"]
    for name in names:
        PillowImage.fromarray(photo[:40, :40]).save(folder / f"{name}.png")
    done = run(folder, tmp_path / "run", in_process)
    assert sorted({row.image for row in done.rows()}) == sorted(names)
    assert all(row.ok and (done.path / row.stream).is_file() for row in done.rows())


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX systems only")
def test_a_file_name_that_is_no_text_is_a_name_like_others(tmp_path: Path, in_process: Executor, photo: Image) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    good, bad = os.fsencode(folder / "a") + b"\xff.png", os.fsencode(folder / "b") + b"\xfe.png"
    PillowImage.fromarray(photo[:40, :40]).save(folder / "c.png")
    try:
        Path(os.fsdecode(good)).write_bytes((folder / "c.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    Path(os.fsdecode(bad)).write_bytes(b"no picture")
    for _ in range(2):
        rows = run(folder, tmp_path / "run", in_process).rows()
        assert [(row.image, row.ok) for row in rows if row.codec == "jpeg"] == [
            ("a\\xff", True), ("b\\xfe", False), ("c", True),
        ]  # fmt: skip


@pytest.mark.parametrize("what", [
    {"anchor": "jpg"}, {"codecs": ["nope"]}, {"points": ["qp=3"]}, {"points": ["bpp=inf"]},
    {"tolerance_pct": 0}, {"tolerance_pct": float("inf")}, {"tolerance_pct": float("nan")}, {"tolerance_pct": 1e308},
])  # fmt: skip
def test_unusable_words_are_refused_before_anything_is_written(
    two_photos: Path, tmp_path: Path, in_process: Executor, what: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        run(two_photos, tmp_path / "run", in_process, **what)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error_and_keeps_what_was_there(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    rows = run(two_photos, out, in_process).rows()
    Run.open(out).remove_row("coffee", "jpeg-quality20", "jpeg")
    real, device = os.fdopen, os.open("/dev/full", os.O_WRONLY)

    def full(handle: int, mode: str) -> Any:
        os.close(handle)
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    write = os.write
    monkeypatch.setattr("isorate.files.atomic.os.fdopen", full)
    monkeypatch.setattr("isorate.runs.shards.os.write", lambda _, data: write(device, data))
    with pytest.raises(RunError, match="No space left on device; choose a folder"):
        run(two_photos, out, in_process, use_cache=False)
    assert len(Run.open(out).rows()) == len(rows) - 1
    assert not list(out.rglob("*.part"))


def test_a_read_only_folder_is_one_clear_error(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        run(two_photos, tmp_path / "file" / "run", in_process)


PLUGIN = '''
import os, time
from isorate.codecs.jpeg import Jpeg

class Crashing(Jpeg):
    """Dies on one of the images, like a C library with a bad pointer."""
    name, label = "crashing", "Crashing"
    def encode(self, image, knob):
        if image.shape[1] == 200:
            os._exit(11)
        return super().encode(image, knob)

class Raising(Jpeg):
    name, label = "raising", "Raising"
    def encode(self, image, knob):
        if image.shape[1] == 200:
            raise OSError("no license")
        return super().encode(image, knob)

class Slow(Jpeg):
    name, label = "slow", "Slow"
    def encode(self, image, knob):
        time.sleep(0.4)
        return super().encode(image, knob)
'''


@pytest.fixture
def plugin(tmp_path: Path, install: Callable[..., dict[str, str]]) -> dict[str, str]:
    """An installed package with two codecs, as the environment of a child process."""
    points = (
        "[isorate.codecs]\n"
        "crashing = isorate_tests:Crashing\nraising = isorate_tests:Raising\nslow = isorate_tests:Slow"
    )
    return install(tmp_path / "site", "isorate_tests", points, isorate_tests=PLUGIN)


def isorate(*words: object) -> list[str]:
    return [sys.executable, "-m", "isorate", *map(str, words)]


@pytest.mark.slow
def test_a_codec_whose_worker_dies_costs_its_own_rows_only(
    two_photos: Path, tmp_path: Path, plugin: dict[str, str]
) -> None:
    codecs = ("webp:method=0", "raising", "crashing", "jpeg2000", "crashing:chroma=444")
    words = isorate("run", "--data", two_photos, "--anchor", "jpeg", "--point", "quality=30", "-o", tmp_path / "run",
                    *(f"--codec={name}" for name in codecs), "--no-cache", "--workers", 1)  # fmt: skip
    for _ in range(2):  # the same command tries what failed again, and nothing else
        done = subprocess.run(words, env=plugin, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        rows = Run.open(tmp_path / "run").rows()
        assert len(rows) == 12
        failed = {(row.image, row.codec): row.status for row in rows if not row.ok}
        assert list(failed) == [("coffee", name) for name in ("raising", "crashing", "crashing:chroma=444")]
        assert "no license" in failed.pop(("coffee", "raising"))
        assert all("the worker process died" in status for status in failed.values())


@pytest.mark.slow
def test_an_anchor_whose_worker_dies_says_so_and_the_others_why(
    two_photos: Path, tmp_path: Path, plugin: dict[str, str]
) -> None:
    words = isorate("run", "--data", two_photos, "--anchor", "crashing", "--point", "quality=30", "--codec", "jpeg",
                    "-o", tmp_path / "run", "--no-cache", "--workers", 1)  # fmt: skip
    done = subprocess.run(words, env=plugin, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    rows = {row.codec: row.status for row in Run.open(tmp_path / "run").rows() if row.image == "coffee"}
    assert "the worker process died" in rows["crashing"]
    assert "the anchor failed on this image" in rows["jpeg"]


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_cell_only(two_photos: Path, tmp_path: Path, plugin: dict[str, str]) -> None:
    words = isorate("run", "--data", two_photos, "--anchor", "jpeg", "--point", "quality=30", "--codec", "crashing",
                    "-o", tmp_path / "run", "--no-cache", "--workers", 2)  # fmt: skip
    done = subprocess.run(words, env=plugin, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    rows = {(row.image, row.codec): row.status for row in Run.open(tmp_path / "run").rows()}
    assert rows[("astronaut", "crashing")] == "ok"
    assert rows[("coffee", "jpeg")] == "ok"
    assert "the worker process died" in rows[("coffee", "crashing")]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_loses_at_most_the_cell_in_work(
    tmp_path: Path, plugin: dict[str, str], coffee: Image, how: signal.Signals
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "run"
    folder.mkdir()
    for row in range(6):
        PillowImage.fromarray(coffee[row * 50 : row * 50 + 50, :64]).save(folder / f"{row}.png")
    words = isorate("run", "--data", folder, "--anchor", "slow", "--point", "quality=30", "--codec", "jpeg",
                    "-o", out, "--no-cache", "--workers", 1)  # fmt: skip
    # A shell's background job ignores Ctrl-C and hands that down; a user's command does not.
    child = subprocess.Popen(
        words, env=plugin, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (one call, no lock)
    )  # fmt: skip
    while rows_written(out) < 4:
        time.sleep(0.05)
        assert child.poll() is None
    os.killpg(child.pid, how) if how == signal.SIGKILL else child.send_signal(how)
    said = child.communicate(timeout=20)[1]
    if how == signal.SIGINT:
        assert child.returncode == 130
        assert "the same command continues" in said
        assert "Traceback" not in said
    kept = {shard: shard.read_bytes() for shard in (out / "rows").iterdir()}
    assert 4 <= len(Run.open(out).rows()) < 12
    subprocess.run(words, env=plugin, check=True, capture_output=True)
    assert rows_written(out) == len(Run.open(out).rows()) == 12  # none was made twice
    assert {shard: shard.read_bytes() for shard in kept} == kept
    assert all(row.ok for row in Run.open(out).rows())
