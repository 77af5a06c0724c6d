"""Seconds of what is done with decoded pixels."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from isorate.image import Image
from isorate.metrics import ms_ssim, psnr
from isorate.runs.lossless import to_lossless


@pytest.fixture(scope="module")
def decoded(picture: Image) -> Image:
    return np.asarray(np.clip(picture.astype(int) + 3, 0, 255), np.uint8)


def test_psnr(benchmark: BenchmarkFixture, picture: Image, decoded: Image) -> None:
    benchmark(psnr, picture, decoded)


def test_ms_ssim(benchmark: BenchmarkFixture, picture: Image, decoded: Image) -> None:
    benchmark(ms_ssim, picture, decoded)


def test_lossless_picture(benchmark: BenchmarkFixture, picture: Image) -> None:
    data, _ = benchmark(to_lossless, picture)
    benchmark.extra_info["kilobytes"] = round(len(data) / 1024)
