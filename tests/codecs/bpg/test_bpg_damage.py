"""Damage: FFmpeg's decoder conceals it; the codec must not."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from isorate.codecs.bpg import Bpg
from isorate.codecs.bpg.container import pack_ue7
from isorate.errors import BitstreamError
from isorate.image import Image

ODD = "chelsea_x265_420_8bit_q35_odd"
FUZZED = (ODD, "rocket_x265_gray_8bit_q30", "coffee_jctvc_444_12bit_q30", "rocket_jctvc_ycgco_8bit_q30")


def with_length(data: bytes) -> bytes:
    """Return a golden stream whose header tells its length instead of 0, "to the end of the file"."""
    at = next(i for i in range(6, 20) if data[i] == 0)
    return data[:at] + pack_ue7(len(data) - at - 1) + data[at + 1 :]


def test_a_file_of_known_length_cut_anywhere_is_refused(stream: Callable[[str], bytes], embedded: Bpg) -> None:
    data = with_length(stream(ODD))
    assert embedded.decode(data).shape == (151, 97, 3)
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            embedded.decode(data[:length])


def test_a_file_of_unknown_length_cut_anywhere_is_refused_where_pixels_would_differ(
    stream: Callable[[str], bytes], embedded: Bpg
) -> None:
    data = stream(ODD)
    whole = embedded.decode(data)
    for length in range(len(data)):
        try:
            image = embedded.decode(data[:length])
        except BitstreamError:
            continue
        assert length == len(data) - 1
        assert np.array_equal(image, whole)


def test_own_files_tell_their_length(photo: Image, embedded: Bpg) -> None:
    data = embedded.encode(photo, 45)
    for cut in (1, 2, 3, 50):
        with pytest.raises(BitstreamError, match="truncated"):
            embedded.decode(data[:-cut])


@pytest.mark.parametrize("name", FUZZED)
def test_mutations_raise_or_decode_without_noise(
    name: str, stream: Callable[[str], bytes], embedded: Bpg, capfd: pytest.CaptureFixture[str]
) -> None:
    data, chance = stream(name), random.Random(name)
    refused = 0
    for _ in range(130):
        damaged = bytearray(data)
        reach = chance.choice([30, 60, len(data)])
        for _ in range(chance.choice([1, 1, 2, 8])):
            damaged[chance.randrange(4, reach)] = chance.randrange(256)
        try:
            image = embedded.decode(bytes(damaged))
        except BitstreamError:
            refused += 1
        else:
            assert image.dtype == np.uint8
            assert image.ndim == 3
    assert refused > 60
    assert capfd.readouterr() == ("", "")


def test_slices_that_leave_a_part_uncovered_are_refused(stream: Callable[[str], bytes], embedded: Bpg) -> None:
    data = stream("astronaut_x265_444_8bit_q44")
    taller = data[:8] + pack_ue7(512) + data[10:]
    with pytest.raises(BitstreamError):
        embedded.decode(taller)
