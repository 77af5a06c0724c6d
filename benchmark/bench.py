"""``python -m isorate.bench``: where the time goes, side by side in one run.

Machines are noisy: every figure is a median of repeats, and ratios within one run say more than seconds.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from isorate.codecs.base import Codec
from isorate.codecs.registry import CodecSpec, list_codecs
from isorate.image import Image
from isorate.matching.codec import match
from isorate.metrics import ms_ssim, psnr
from isorate.runs.lossless import to_lossless

REPEATS = 5
RATE = 0.2
HEIGHT, WIDTH = 512, 768


def kodak_sized() -> Image:
    """Return 768×512 pixels of real photographs: scikit-image's astronaut beside its coffee."""
    from skimage import data

    coffee = data.coffee()[:, :256]
    filled = np.concatenate([coffee, coffee[::-1]])[:HEIGHT]
    return np.ascontiguousarray(np.concatenate([data.astronaut(), filled], axis=1))


def seconds(work: Callable[[], object]) -> float:
    """Return the median seconds of `work`, after one call that warms up."""
    work()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> int:
    """Print the tables."""
    image = kodak_sized()
    print(f"{WIDTH}×{HEIGHT}, about {RATE} bpp, medians of {REPEATS}")
    print(
        f"{'codec':10} {'encode s':>9} {'decode s':>9} {'match: encodes':>14} {'seconds':>8} {'residual':>9}  back end"
    )
    first: tuple[float, float] | None = None
    for listed in list_codecs():
        if not listed.available:
            print(f"{listed.name:10} unavailable: {listed.hint}")
            continue
        codec = CodecSpec(listed.name).create()
        encode_s, decode_s, row = _codec_row(codec, image)
        first = first or (encode_s, decode_s)
        print(f"{listed.name:10} {row}  [×{encode_s / first[0]:.2f}, ×{decode_s / first[1]:.2f}]")
    decoded = np.clip(image.astype(int) + 3, 0, 255).astype(np.uint8)
    print(f"PSNR             {seconds(lambda: psnr(image, decoded)):.3f} s")
    print(f"MS-SSIM          {seconds(lambda: ms_ssim(image, decoded)):.3f} s")
    print(f"lossless picture {seconds(lambda: to_lossless(image)):.3f} s, {len(to_lossless(image)[0]) / 1024:.0f} KB")
    print(f"peak memory      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


def _codec_row(codec: Codec, image: Image) -> tuple[float, float, str]:
    start = time.perf_counter()
    data, found = match(codec, image, RATE)
    match_s = time.perf_counter() - start
    encode_s = seconds(lambda: type(codec)().encode(image, *found.best.knobs))  # anew: one may keep its last picture
    decode_s = seconds(lambda: codec.decode(data))
    row = f"{encode_s:9.3f} {decode_s:9.3f} {len(found.trace):14d} {match_s:8.2f} {found.residual_pct:+8.2f}%"
    return encode_s, decode_s, f"{row}  {codec.backend}"


if __name__ == "__main__":
    sys.exit(main())
