import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isorate.api import match
from isorate.codecs.base import TwoKnobCodec
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.learned.bitstream.header import Header, pack, unpack
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.latents import Latents, estimated_bits, run_priors, to_symbols
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder, read_picture
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, UsageError
from isorate.image import Image
from isorate.matching.search import match_size
from isorate.metrics import ms_ssim

TINY = Path(__file__).parents[2] / "data" / "learned" / "tiny.safetensors"
SIZES = [(1, 1), (1, 200), (200, 1), (63, 65), (64, 64), (17, 129)]


def psnr(one: Image, other: Image) -> float:
    return float(-10 * np.log10(np.square(one.astype(float) - other).mean() / 255**2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("knobs", [(0.03, 2.0), (0.001, 1.0), (1e-4, 0.5)])
def test_any_size_comes_back(
    codec: LearnedCodec, astronaut: Image, size: tuple[int, int], knobs: tuple[float, float]
) -> None:
    image = np.ascontiguousarray(astronaut[100 : 100 + size[0], 100 : 100 + size[1]])
    data = codec.encode(image, *knobs)
    decoded = codec.decode(data)
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert psnr(decoded, image) > 12


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(1e-4, 0.03), st.floats(0.5, 2), st.integers(0, 2**32 - 1))
def test_noise_of_any_size_decodes_to_the_encoders_latents(
    tiny: Network, height: int, width: int, lmbda: float, bin_size: float, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    codec = LearnedCodec(str(TINY), threads=1)
    assert codec.decode(codec.encode(image, lmbda, bin_size)).shape == image.shape


def test_more_rate_is_a_better_picture(codec: LearnedCodec, photo: Image) -> None:
    qualities, sizes = [], []
    for lmbda in (0.03, 0.01, 0.003, 0.001):
        data = codec.encode(photo, lmbda)
        sizes.append(len(data))
        qualities.append(psnr(codec.decode(data), photo))
    assert sizes == sorted(sizes)
    assert qualities == sorted(qualities)


def test_the_same_call_gives_the_same_bytes_whatever_came_before(codec: LearnedCodec, photo: Image) -> None:
    first = codec.encode(photo, 0.01, 1.1)
    codec.encode(photo, 0.002, 0.7)
    codec.encode(photo[:50], 0.01, 1.1)
    assert codec.encode(photo, 0.01, 1.1) == first
    assert codec.encode(photo, 0.01) == codec.encode(photo, 0.01, codec.fine_default_at(0.01))
    assert codec.encode(photo, 0.001) == codec.encode(photo, 0.001, 1.0)


def test_changed_pixels_of_the_same_array_are_seen(codec: LearnedCodec, photo: Image) -> None:
    image = photo.copy()
    first = codec.encode(image, 0.01)
    image[:40] = 255 - image[:40]
    assert codec.encode(image, 0.01) != first


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("lmbda", [0.03, 0.003, 0.0003])
def test_the_estimate_is_the_real_file(tiny: Network, photo: Image, lmbda: float) -> None:
    codes = KnobCodes.nearest(lmbda, 1.0, tiny.config.knots)
    coded = PictureEncoder(tiny, photo).code(codes)
    steps, _ = run_priors(coded.latents, tiny.conditioned(codes))
    estimate = estimated_bits(steps, tiny.tables) / 8
    assert abs(len(coded.data) - estimate) <= 0.01 * estimate + 64
    assert abs(len(unpack(coded.data)[1]) - estimate) <= 0.001 * estimate + 8


def test_the_parts_bits_are_the_file(codec: LearnedCodec, photo: Image) -> None:
    data = codec.encode(photo, 0.02)
    parts = codec.bits_by_part(data)
    assert list(parts) == ["header", "w", "z"]
    assert sum(parts.values()) == pytest.approx(8 * len(data), abs=64)
    with pytest.raises(BitstreamError):
        codec.bits_by_part(data[:-9])


def test_header_and_checksum_take_20_bytes_at_kodaks_size(codec: LearnedCodec) -> None:
    assert codec.header_bytes(codec.encode(np.zeros((512, 768, 3), np.uint8), 0.03)) == 16 + 4


def test_other_weights_are_named(codec: LearnedCodec, photo: Image, fresh_tiny: Network) -> None:
    data = codec.encode(photo, 0.02)
    other = bytearray(data)
    other[3] ^= 0xFF
    with pytest.raises(BitstreamError, match="checksum of the file"):
        codec.decode(bytes(other))
    header, payload = unpack(data)
    elsewhere = Header(header.model_id ^ 1, header.codes, header.latents_crc, header.height, header.width)
    with pytest.raises(BitstreamError, match=f"{header.model_id ^ 1:04x}, which are not here.*learned:model=FILE"):
        codec.decode(pack(elsewhere, payload))


@pytest.mark.usefixtures("no_grad")
def test_weights_with_the_same_id_but_other_numbers_never_give_a_picture(
    codec: LearnedCodec, photo: Image, fresh_tiny: Network
) -> None:
    data = codec.encode(photo, 0.02)
    conv = fresh_tiny.priors._convs["latent_prior.nets.0.leave"]
    conv._stored.v[:] += 1 << 16
    with pytest.raises(BitstreamError, match=r"damaged|other weights"):
        read_picture(fresh_tiny, data)


def test_missing_weights_say_what_to_do(tmp_path: Path, photo: Image) -> None:
    codec = LearnedCodec(str(tmp_path / "none.safetensors"))
    with pytest.raises(CodecUnavailableError, match="isorate learned train"):
        _ = codec.backend
    with pytest.raises(CodecUnavailableError, match="no weights at"):
        codec.encode(photo, 0.01)
    assert codec.knob.typical == ()
    assert codec.knob.default


def test_without_the_range_coder_it_says_what_to_install(tiny_path: Path) -> None:
    """As on Linux on arm64, for which constriction has no wheel."""
    code = f"""
import sys
import numpy as np
from isorate.codecs.learned import LearnedCodec
from isorate.errors import CodecUnavailableError
sys.modules["constriction"] = None
image = np.zeros((64, 64, 3), np.uint8)
for use in ("codec.backend", "codec.encode(image, 0.01)", "codec.encode(image, bpp=0.5)"):
    codec = LearnedCodec({str(tiny_path)!r})
    try:
        eval(use)
    except CodecUnavailableError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.count("pip install constriction") == done.stdout.count("\n") == 3


def test_damaged_weights_are_refused(tmp_path: Path, tiny_path: Path, photo: Image) -> None:
    path = tmp_path / "bad.safetensors"
    content = bytearray(tiny_path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CodecUnavailableError, match="checksum"):
        LearnedCodec(str(path)).encode(photo, 0.01)
    path.write_bytes(content[:100])
    with pytest.raises(CodecUnavailableError, match="damaged"):
        LearnedCodec(str(path)).encode(photo, 0.01)


def test_threads_change_no_bit(photo: Image) -> None:
    one, two = (LearnedCodec(str(TINY), threads=count).encode(photo, 0.004) for count in (1, 2))
    assert LearnedCodec(str(TINY), threads=2).decode(one).shape == photo.shape
    assert LearnedCodec(str(TINY), threads=1).decode(two).shape == photo.shape


def test_the_number_of_threads_is_put_back(photo: Image) -> None:
    before = torch.get_num_threads()
    LearnedCodec(str(TINY), threads=3).encode(photo, 0.004)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("image", "message"),
    [(np.zeros((5, 5), np.uint8), "uint8"), (np.zeros((0, 5, 3), np.uint8), "uint8"), (np.zeros((5, 5, 3)), "uint8")],
)
def test_what_is_no_picture_is_refused(codec: LearnedCodec, image: Image, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        codec.encode(image, 0.01)


def test_one_of_knob_and_rate(codec: LearnedCodec, photo: Image) -> None:
    for knobs in ({}, {"knob": 0.01, "bpp": 0.2}):
        with pytest.raises(UsageError, match="one of them"):
            codec.encode(photo, **knobs)
    with pytest.raises(UsageError, match="positive"):
        codec.encode(photo, bpp=0)
    for wrong in ({"effort": 4}, {"objective": "vmaf"}):
        with pytest.raises(UsageError):
            LearnedCodec(**wrong)


def test_what_the_suite_asks_of_an_adapter(codec: LearnedCodec) -> None:
    assert isinstance(codec, TwoKnobCodec)
    assert codec.options == {"model": str(TINY), "effort": 0, "objective": "mse"}
    assert codec.backend.startswith("isorate tiny ")
    assert "torch" in codec.backend
    knob = codec.knob
    assert knob.default is not None
    assert knob.low < knob.default < knob.high
    rates = [rate for _, rate in knob.typical]
    assert [at for at, _ in knob.typical] == sorted(at for at, _ in knob.typical)
    assert rates == sorted(rates, reverse=True)
    fine = codec.fine_knob
    assert (fine.low, fine.high) == (0.5, 2.0)
    assert codec.fine_default == codec.fine_default_at(knob.default)
    assert [codec.fine_default_at(10**at) for at in (-4, -3, -2.5, -2, -1.5)] == pytest.approx(
        [1, 1, 2**0.375, 2**0.75, 2**0.75]
    )


def test_the_import_is_cheap() -> None:
    code = "import isorate.codecs.learned, sys; print([m for m in ('torch', 'constriction') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_strips_of_a_tall_picture_join_without_a_seam(codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image = np.ascontiguousarray(np.tile(image, (10, 3, 1))[:391, :100])
    whole = codec.encode(image, 0.003)
    picture = codec.decode(whole)
    monkeypatch.setattr("isorate.codecs.learned.coding.strips.STRIP_PIXELS", 100 * 64)
    cut = LearnedCodec(str(TINY), threads=1).encode(image, 0.003)
    assert abs(len(cut) - len(whole)) <= 0.01 * len(whole) + 4
    assert np.abs(codec.decode(whole).astype(int) - picture).max() <= 1


def test_latents_beyond_16_bits_are_clamped_not_wrapped(tiny: Network) -> None:
    assert to_symbols(torch.tensor([1e9, -1e9, 0.4])).tolist() == [32767, -32767, 0]
    zeros = Latents(np.zeros((8, 1, 1), np.int32), np.zeros((32, 4, 4), np.int32))
    assert zeros.checksum(KnobCodes(0, 0)) != zeros.checksum(KnobCodes(0, 1))


@pytest.mark.slow
def test_12_megapixels_take_less_than_2_gigabytes(alone: tuple[str, ...]) -> None:
    code = f"""
import resource, sys
import numpy as np
from isorate.codecs.learned import LearnedCodec
image = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
codec = LearnedCodec({str(TINY)!r}, threads=1)
assert codec.decode(codec.encode(image, 0.01)).shape == (3000, 4000, 3)
unit = 2**30 if sys.platform == "darwin" else 2**20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
"""
    done = subprocess.run([*alone, sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert float(done.stdout) < 2


def test_effort_1_compares_by_what_the_weights_were_trained_for(codec: LearnedCodec, astronaut: Image) -> None:
    from isorate.codecs.learned.codec import _dissimilarity

    assert _dissimilarity(astronaut, astronaut) == pytest.approx(0, abs=1e-6)
    assert 0 < _dissimilarity(astronaut, np.roll(astronaut, 3, 0)) < 1
    small = astronaut[:30, :30]
    assert _dissimilarity(small, np.roll(small, 3, 0)) > 1


@pytest.mark.slow
def test_weights_for_ms_ssim_are_better_in_it_at_the_same_rate(coffee: Image) -> None:
    image = np.ascontiguousarray(coffee[60:316, 100:420])
    found = {}
    for codec in (LearnedCodec("small", threads=1), LearnedCodec(objective="ms-ssim", threads=1)):
        data = codec.encode(image, bpp=0.3)
        assert 8 * len(data) / (256 * 320) == pytest.approx(0.3, rel=0.01)
        decoded = codec.decode(data)
        assert np.array_equal(LearnedCodec(threads=1).decode(data), decoded), "streams name their weights"
        found[codec.objective] = ms_ssim(image, decoded), psnr(image, decoded)
    assert (found["ms-ssim"][0] or 0) > (found["mse"][0] or 0) + 0.005
    assert found["ms-ssim"][1] < found["mse"][1]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["base", "small"])
def test_at_low_rates_the_default_bin_size_gives_a_better_picture_than_1(coffee: Image, model: str) -> None:
    image = np.ascontiguousarray(coffee[60:316, 100:420])
    codec = LearnedCodec(model, threads=1)
    data, found = match(codec, image, 0.1)
    assert abs(found.residual_pct) <= 0.5
    at_1 = match_size(lambda lmbda: len(codec.encode(image, lmbda, 1.0)), codec.knob, len(data), num_pixels=256 * 320)
    assert abs(at_1.residual_pct) <= 0.5
    plain = codec.encode(image, at_1.best.knob, 1.0)
    assert psnr(image, codec.decode(data)) > psnr(image, codec.decode(plain)) + 0.05
