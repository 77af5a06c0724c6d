"""The codecs that other projects' libraries make: contract, golden streams, damage, what is said when one lacks."""

import builtins
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from skimage.data import astronaut as load_astronaut

from isorate.codecs.av1 import Av1
from isorate.codecs.avif import Avif
from isorate.codecs.base import Codec
from isorate.codecs.heif import Heif
from isorate.codecs.identity import identity
from isorate.codecs.jxl import Jxl
from isorate.codecs.registry import CodecSpec, list_codecs
from isorate.codecs.svtav1 import SvtAv1
from isorate.codecs.video.priority import ordinary_priority
from isorate.codecs.vvc import Vvc
from isorate.codecs.webp import WebP
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, UsageError
from isorate.image import Image
from isorate.metrics import psnr
from isorate.testing import check_codec

FOLDER = Path(__file__).parents[1] / "data" / "field"
GOLDEN = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))
FAST = ("webp", "avif:speed=9", "svtav1:preset=8", "av1:cpu_used=8", "vvc:preset=faster", "heif:preset=veryfast", "jxl")


SPECS = {
    "webp": ("webp", 30), "avif": ("avif", 40), "avif420": ("avif:chroma=420", 40), "svtav1": ("svtav1:preset=4", 140),
    "av1": ("av1:cpu_used=4", 38), "av1_420": ("av1:bit_depth=8,chroma=420,cpu_used=4", 38),
    "vvc": ("vvc:preset=fast", 36), "heif": ("heif", 34), "jxl": ("jxl", 3.5),
}  # fmt: skip
"""What each golden stream was made with: the codec, and its knob."""


def picture() -> Image:
    """Return the picture: odd sides, a face."""
    return np.ascontiguousarray(load_astronaut()[60:157, 170:301])


def fingerprint(image: Image) -> str:
    """Return the SHA-256 of an image's samples."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def write_golden() -> None:
    """Write the golden streams: ``python tests/codecs/test_field.py``."""
    listed = []
    for name, (spec, knob) in SPECS.items():
        codec = CodecSpec.parse(spec).create()
        data = codec.encode(picture(), knob)
        file = f"{name}{codec.suffix}"
        (FOLDER / file).write_bytes(data)
        about = {"file": file, "spec": spec, "knob": knob, "backend": codec.backend}
        listed.append({**about, "decoded_sha256": fingerprint(codec.decode(data))})
    (FOLDER / "golden.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def made(spec: str) -> Codec:
    """Return the codec, or skip where its back end is not installed."""
    codec = CodecSpec.parse(spec).create()
    try:
        _ = codec.backend
    except CodecUnavailableError as error:
        pytest.skip(str(error))
    return codec


@pytest.mark.parametrize("spec", FAST)
def test_the_contract(spec: str) -> None:
    check_codec(made(spec))


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["file"])
def test_golden_streams(entry: dict[str, Any]) -> None:
    """AV1, VVC and VP8 are decoded without the encoder; libheif and libjxl round in their own ways, by version."""
    data = (FOLDER / entry["file"]).read_bytes()
    codec = CodecSpec.parse(entry["spec"]).create()
    if codec.name in ("heif", "jxl"):
        made(entry["spec"])
    decoded = codec.decode(data)
    assert psnr(picture(), decoded) > 30
    if codec.name not in ("heif", "jxl") or codec.backend == entry["backend"]:
        assert fingerprint(decoded) == entry["decoded_sha256"]


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["file"])
def test_the_encoder_of_that_version_writes_the_golden_stream(entry: dict[str, Any]) -> None:
    codec = made(entry["spec"])
    if codec.backend != entry["backend"]:
        pytest.skip(f"{codec.backend}, not {entry['backend']}")
    assert codec.encode(picture(), entry["knob"]) == (FOLDER / entry["file"]).read_bytes()


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["file"])
def test_damage_is_a_bitstream_error_or_a_picture(entry: dict[str, Any]) -> None:
    data = (FOLDER / entry["file"]).read_bytes()
    codec = made(entry["spec"])
    for length in range(0, len(data) - 1, 41):
        with pytest.raises(BitstreamError):
            codec.decode(data[:length])
    rng = np.random.default_rng(3)
    for _ in range(60):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            codec.decode(bytes(damaged))
        except BitstreamError:
            continue


@pytest.mark.parametrize(("spec", "header"), [
    ("webp", (20, 20)), ("avif", (260, 300)), ("svtav1", (280, 300)), ("av1", (280, 300)), ("vvc", (60, 130)),
    ("heif", (340, 430)),
])  # fmt: skip
def test_what_carries_no_picture_is_counted(spec: str, header: tuple[int, int]) -> None:
    entry = next(entry for entry in GOLDEN if entry["spec"].partition(":")[0] == spec)
    codec = CodecSpec.parse(spec).create()
    found = codec.header_bytes((FOLDER / entry["file"]).read_bytes())
    assert found is not None
    assert header[0] <= found <= header[1]


@pytest.mark.parametrize(
    ("spec", "knob", "side"), [("jpeg", 30, 65500), ("webp", 30, 16383), ("avif:speed=9", 30, 32768)]
)
def test_the_longest_side_is_one_that_is_decoded_and_the_next_is_refused(spec: str, knob: float, side: int) -> None:
    codec = made(spec)
    for shape in ((2, side, 3), (side, 2, 3)):
        assert codec.decode(codec.encode(np.full(shape, 99, np.uint8), knob)).shape == shape
    for shape in ((1, side + 1, 3), (side + 1, 1, 3)):
        with pytest.raises(CodecError, match=f"is too large, a side may have {side} pixels at most"):
            codec.encode(np.zeros(shape, np.uint8), knob)


@pytest.mark.parametrize(("codec", "depth", "chroma"), [
    (WebP(), 8, "420"), (Avif(), 8, "444"), (SvtAv1(), 10, "420"), (Av1(), 10, "444"), (Vvc(), 10, "420"),
    (Heif(), 8, "444"),
])  # fmt: skip
def test_depth_and_chroma_stand_in_the_rows(codec: Codec, depth: int, chroma: str) -> None:
    assert (codec.options["bit_depth"], codec.options["chroma"]) == (depth, chroma)


@pytest.mark.parametrize(("spec", "package", "remedy"), [
    ("vvc", "imageio_ffmpeg", "pip install 'isorate[ffmpeg]'"),
    ("av1", "imageio_ffmpeg", "pip install 'isorate[ffmpeg]'"),
    ("heif", "pillow_heif", "pip install 'isorate[heif]'"),
    ("jxl", "imagecodecs", "pip install 'isorate[jxl]'"),
    ("svtav1", "av", "pip install --upgrade av"),
])  # fmt: skip
def test_what_is_missing_says_what_to_install(
    spec: str, package: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == package:
            raise ImportError(f"No module named '{package}'")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    listed = {entry.name: entry for entry in list_codecs()}[spec]
    assert not listed.available
    assert remedy in listed.hint


def test_an_ffmpeg_without_the_encoder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("vvc")
    program = tmp_path / "ffmpeg"
    program.write_text(
        "#!/bin/sh\ncase $1 in -version) echo ffmpeg version 1;; *) echo Unknown encoder; exit 1;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with pytest.raises(CodecUnavailableError, match=r"no working libvvenc .*unset IMAGEIO_FFMPEG_EXE"):
        _ = Vvc().backend


def test_another_ffmpeg_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("vvc")
    before = identity(Vvc())
    real = Vvc().encoder_files[0]
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    after = identity(Vvc())
    assert after.encode != before.encode
    assert after.decode == before.decode  # PyAV decodes


def test_a_time_limit_that_is_none_is_told(photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = made("vvc")
    monkeypatch.setenv("ISORATE_FFMPEG_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="ISORATE_FFMPEG_TIMEOUT=soon is no number of seconds"):
        codec.encode(photo, 40)
    monkeypatch.setenv("ISORATE_FFMPEG_TIMEOUT", "0.001")
    with pytest.raises(CodecError, match=r"was stopped after 0.001 s \(ISORATE_FFMPEG_TIMEOUT\)"):
        codec.encode(photo, 40)


def test_vvc_of_other_padding_or_colours_is_refused() -> None:
    data = (FOLDER / "vvc.266").read_bytes()
    assert data[-7:-4] == b"\0\0\1"  # 131×97 needs the unit
    assert Vvc().decode(data[:-7]).shape == (98, 132, 3)
    for unit in (b"\x12\x02", b"\x02\x00\x01", b"\x02"):
        with pytest.raises(BitstreamError, match="padding"):
            Vvc().decode(data[:-2] + unit)


def test_a_jpeg_xl_picture_above_the_limit_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isorate.codecs.jxl._load", lambda: pytest.fail("decoded"))
    height = 2**18
    fields = [(0, 1), (3, 2), (height - 1, 30), (1, 3)]  # not small, height of 30 bits, as wide as high
    bits, at = 0, 0
    for value, count in fields:
        bits |= value << at
        at += count
    with pytest.raises(BitstreamError, match="262144×262144 exceeds isorate's limit"):
        Jxl().decode(b"\xff\x0a" + bits.to_bytes(10, "little"))


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (97, 131), (120, 160), (256, 256), (300, 400)])
def test_the_size_of_a_jpeg_xl_header_is_the_pictures(shape: tuple[int, int], astronaut: Image) -> None:
    from isorate.codecs.jxl import _size

    data = made("jxl").encode(np.ascontiguousarray(astronaut[: shape[0], : shape[1]]), 4)
    assert _size(data) == shape[::-1]


@pytest.mark.parametrize("codec", [SvtAv1, Avif, Vvc])
def test_unusable_options_are_refused(codec: type[Codec]) -> None:
    name = {"svtav1": "preset", "avif": "speed", "vvc": "preset"}[codec.name]
    with pytest.raises(UsageError, match="cannot be used; allowed"):
        CodecSpec.parse(f"{codec.name}:{name}=77").create()


def test_tuning_for_psnr_pays(photo: Image) -> None:
    for tuned, other in ((Avif(speed=6), Avif(speed=6, tune="iq")), (Heif(), Heif(tune="ssim"))):
        codec = made(tuned.name)
        data, _ = codec.encode_to_size(photo, 3000)
        rival, found = other.encode_to_size(photo, len(data))
        assert abs(found.residual_pct) < 8
        per_byte = psnr(photo, tuned.decode(data)) - 10 * np.log10(len(data) / len(rival))
        assert per_byte > psnr(photo, other.decode(rival))


@pytest.mark.parametrize("shape", [(4, 128), (16, 512), (24, 100), (400, 10)])
def test_svt_av1_codes_strips(shape: tuple[int, int]) -> None:
    """With several threads it waits for ever on them, which is why another process does it here."""
    made("svtav1:preset=8")
    code = (
        "import numpy as np; from isorate.codecs.svtav1 import SvtAv1; codec = SvtAv1(preset=8);"
        f"print(codec.decode(codec.encode(np.full({(*shape, 3)}, 99, np.uint8), 160)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str((*shape, 3))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no scheduling policies here")
def test_svt_av1_leaves_the_thread_its_scheduling() -> None:
    before = os.sched_getscheduler(0)
    made("svtav1:preset=8").encode(np.zeros((64, 64, 3), np.uint8), 200)
    assert os.sched_getscheduler(0) == before


def takes_real_time() -> bool:
    """Return whether a thread that is started now can take real-time priority."""
    found = []

    def take() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            found.append(False)
        else:
            found.append(True)

    thread = Thread(target=take)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads keep the right")
def test_threads_that_an_encoder_starts_take_no_real_time_priority() -> None:
    if not takes_real_time():
        pytest.skip("this user may not take real-time priority anyway")
    import resource

    if resource.getrlimit(resource.RLIMIT_RTPRIO)[0]:
        pytest.skip("RLIMIT_RTPRIO lets every thread take it")
    with ordinary_priority():
        assert not takes_real_time()
    assert takes_real_time()


if __name__ == "__main__":
    write_golden()
