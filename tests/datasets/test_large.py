"""Large photographs: nothing in the way of an image may need more memory a pixel than it must."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.codecs.jpeg import Jpeg
from isorate.datasets.images import load_image
from isorate.image import Image
from isorate.runs.lossless import from_lossless, to_lossless

CODE = """
import resource, sys
from pathlib import Path
from isorate.codecs.jpeg import Jpeg
from isorate.datasets.images import load_image
from isorate.metrics import psnr
image = load_image(Path(sys.argv[1])).pixels
codec = Jpeg()
decoded = codec.decode(codec.encode(image, 20.0))
print(image.shape, psnr(image, decoded) > 25, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_24_megapixels_take_less_than_2_gigabytes(tmp_path: Path, astronaut: Image, alone: tuple[str, ...]) -> None:
    path = tmp_path / "large.png"
    PillowImage.fromarray(np.tile(astronaut, (8, 12, 1))[:4000, :6000]).save(path, compress_level=0)
    command = [*alone, sys.executable, "-c", CODE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shape, good, megabytes = done.stdout.strip().rpartition(") ")[0] + ")", *done.stdout.split()[-2:]
    assert shape == "(4000, 6000, 3)"
    assert good == "True"
    assert int(megabytes) < 2000


def test_a_process_alone_does_not_count_the_memory_of_this_one(alone: tuple[str, ...]) -> None:
    code = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    held = np.ones(2**28, np.uint8)
    done = subprocess.run([*alone, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < held.nbytes // 2**20


def test_what_is_above_pillows_limits_is_read_written_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    PillowImage.new("1", (400, 300), 1).save(path)
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 400 * 300 // 2 - 1)  # in the place of 180 million pixels
    with pytest.raises(PillowImage.DecompressionBombError):
        PillowImage.open(path)
    pixels = load_image(path).pixels
    assert pixels.shape == (300, 400, 3)
    assert Jpeg(optimize=False).decode(Jpeg(optimize=False).encode(pixels, 10)).shape == pixels.shape
    data, suffix = to_lossless(pixels)
    (tmp_path / f"a{suffix}").write_bytes(data)
    assert from_lossless(tmp_path / f"a{suffix}").shape == pixels.shape
