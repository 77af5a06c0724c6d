import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isorate.codecs.jpeg import Jpeg
from isorate.errors import ImageError
from isorate.image import Image
from isorate.metrics import ms_ssim, psnr


def test_psnr_is_over_all_samples(photo: Image) -> None:
    noisy = np.clip(photo.astype(int) + np.array([10, 0, 0]), 0, 255).astype(np.uint8)
    error = np.mean((noisy.astype(float) - photo) ** 2)
    assert psnr(photo, noisy) == pytest.approx(10 * math.log10(255**2 / error))


@pytest.mark.parametrize("quality", [1, 20, 90])
def test_psnr_is_scikit_images_to_the_last_bit(coffee: Image, quality: float) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    decoded = Jpeg().decode(Jpeg().encode(coffee, quality))
    assert psnr(coffee, decoded) == peak_signal_noise_ratio(coffee, decoded, data_range=255)


def test_psnr_loads_no_library_but_numpy() -> None:
    code = "import numpy as np, sys; from isorate.metrics import psnr; image = np.zeros((8, 8, 3), np.uint8)"
    code += "; psnr(image, image + np.uint8(1)); print([m for m in ('scipy', 'skimage', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_identical_images_give_infinity_and_one(photo: Image) -> None:
    assert psnr(photo, photo.copy()) == math.inf
    assert ms_ssim(photo, photo.copy()) == pytest.approx(1)


@pytest.mark.parametrize("quality", [1, 20, 90])
@pytest.mark.parametrize("shape", [(400, 600), (161, 399), (333, 161)])
def test_ms_ssim_is_the_librarys_in_double_precision(coffee: Image, shape: tuple[int, int], quality: float) -> None:
    import torch
    from pytorch_msssim import ms_ssim as library

    image = coffee[: shape[0], : shape[1]]
    decoded = Jpeg().decode(Jpeg().encode(image, quality))
    planes = [torch.from_numpy(image.transpose(2, 0, 1).copy()).double()[None] for image in (image, decoded)]
    assert ms_ssim(image, decoded) == pytest.approx(float(library(*planes, data_range=255)), abs=5e-6)


@pytest.mark.parametrize(("side", "defined"), [(160, False), (161, True)])
def test_ms_ssim_needs_a_side_above_160(astronaut: Image, side: int, defined: bool) -> None:
    image = astronaut[:side, :200]
    assert (ms_ssim(image, image) is not None) == defined


def test_different_shapes_are_refused(photo: Image) -> None:
    with pytest.raises(ImageError, match="shape"):
        psnr(photo, photo[1:])
    with pytest.raises(ImageError, match="shape"):
        ms_ssim(photo, photo[1:])


@pytest.mark.kodak
def test_the_supplementarys_jpeg_row_to_the_digit(kodak_dir: Path) -> None:
    from PIL import Image as PillowImage

    image = np.asarray(PillowImage.open(kodak_dir / "kodim15.png").convert("RGB"))
    codec = Jpeg(mode="integer")
    data = codec.encode(image, 9)
    decoded = codec.decode(data)
    assert f"{8 * len(data) / (768 * 512):.4f}" == "0.1775"
    assert f"{psnr(image, decoded):.4f}" == "27.3389"
    assert ms_ssim(image, decoded) == pytest.approx(0.8668, abs=2e-4)
