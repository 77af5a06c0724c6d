"""VMAF and PSNR-HVS: libvmaf in imageio-ffmpeg's FFmpeg, one call for both."""

import json
import math
import subprocess
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isorate.errors import MetricError, MetricUnavailableError
from isorate.ffmpeg import find_ffmpeg, lacks, version_in
from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.shapes import same_shape
from isorate.metrics.ycbcr import ycbcr

MODEL = "vmaf_v0.6.1"
"""The model inside libvmaf: a viewer of Full HD from three heights of the screen."""
MIN_SIDE = 32
"""Below it libvmaf's scales have no samples left."""
TIME_LIMIT = 600.0
"""Seconds for one pair of pictures; a megapixel takes a second."""
_MEASURED_ON = "8-bit YCbCr 4:4:4 by BT.601 in video range (Y from 16 to 235), rounded"


def video_range(image: Image) -> NDArray[np.uint8]:
    """Return Y, Cb and Cr of BT.601 in video range, rounded: shape ``(3, height, width)``, Y in 16..235."""
    planes = ycbcr(image) * (219 / 255, 224 / 255, 224 / 255) + (16, 128, 128)
    return np.ascontiguousarray(np.rint(planes).astype(np.uint8).transpose(2, 0, 1))


class _OfLibvmaf(Metric):
    digits = 2
    score: str

    @property
    def implementation(self) -> str:
        """The versions of libvmaf and of the FFmpeg that holds it."""
        path = find_ffmpeg(self.name, MetricUnavailableError)
        return _version(self.name, path, path.stat().st_mtime_ns)

    def measure(self, reference: Image, decoded: Image) -> float | None:
        """Return the score, or None below 32 pixels a side."""
        same_shape(reference, decoded)
        height, width = reference.shape[:2]
        if min(height, width) < MIN_SIDE:
            return None
        planes = (video_range(image).tobytes() for image in (reference, decoded))
        return _scores(find_ffmpeg(self.name, MetricUnavailableError), width, height, *planes)[self.score]


class Vmaf(_OfLibvmaf):
    """VMAF (Netflix; Li et al. 2016), 0 to 100, of the two pictures as videos of one frame."""

    name, label, score = "vmaf", "VMAF", "vmaf"
    tolerance = 0.1
    measured_on = f"Y of {_MEASURED_ON}; model {MODEL}, no motion"


class PsnrHvs(_OfLibvmaf):
    """PSNR-HVS with masking (Ponomarenko et al. 2007, as Daala computes it): errors of 8×8 DCTs, weighted by sight."""

    name, label, unit, score = "psnr_hvs", "PSNR-HVS", "dB", "psnr_hvs"
    tolerance = 0.02
    measured_on = f"{_MEASURED_ON}; peak 255, errors of Y, Cb and Cr weighted 8:1:1, chroma as if it were 4:2:0"


@cache
def _version(metric: str, path: Path, _changed: int) -> str:
    grey = bytes([128]) * (3 * MIN_SIDE**2)
    try:
        said = _run(path, MIN_SIDE, MIN_SIDE, grey, grey)
        printed = subprocess.run([path, "-version"], capture_output=True, text=True, check=True, timeout=TIME_LIMIT)
    except (MetricError, OSError, subprocess.SubprocessError) as error:
        raise MetricUnavailableError(lacks(metric, path, f"libvmaf with the model {MODEL}", error)) from None
    return f"libvmaf {said['version']} in {version_in(printed.stdout)}"


@lru_cache(maxsize=1)
def _scores(path: Path, width: int, height: int, reference: bytes, decoded: bytes) -> dict[str, float]:
    """Return both scores; the last pair's are kept, since a run asks for one after the other."""
    frame = _run(path, width, height, reference, decoded)["frames"][0]["metrics"]
    # libvmaf writes no number where it divides by an error of nothing
    return {name: math.inf if frame[name] is None else float(frame[name]) for name in ("vmaf", "psnr_hvs")}


def _run(path: Path, width: int, height: int, reference: bytes, decoded: bytes) -> dict[str, Any]:
    """Return what libvmaf logs of one pair of pictures, given as planes."""
    with tempfile.TemporaryDirectory(prefix="isorate-vmaf-") as name:
        folder = Path(name)
        (folder / "decoded.yuv").write_bytes(decoded)
        (folder / "reference.yuv").write_bytes(reference)
        raw = ["-f", "rawvideo", "-pixel_format", "yuv444p", "-video_size", f"{width}x{height}"]
        graph = f"libvmaf=model=version={MODEL}:feature=name=psnr_hvs:n_threads=1:log_fmt=json:log_path=log.json"
        words = [
            str(path), "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1",
            *raw, "-i", "decoded.yuv", *raw, "-i", "reference.yuv", "-lavfi", graph, "-f", "null", "-",
        ]  # fmt: skip
        try:
            done = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=TIME_LIMIT)
            log = folder / "log.json"
            if done.returncode or not log.is_file():
                raise MetricError(f"libvmaf: FFmpeg failed with status {done.returncode}: {_last(done.stderr)}")
            found: dict[str, Any] = json.loads(log.read_bytes())
            if lacking := {"vmaf", "psnr_hvs", "psnr_hvs_cb"} - set(found["frames"][0]["metrics"]):
                raise MetricError(f"libvmaf: libvmaf {found['version']} does not measure {', '.join(sorted(lacking))}")
        except subprocess.TimeoutExpired:
            raise MetricError(f"libvmaf: FFmpeg was stopped after {TIME_LIMIT:g} s") from None
        except OSError as error:
            raise MetricError(f"libvmaf: {path} cannot be run: {error.strerror or error}") from None
        return found


def _last(printed: bytes) -> str:
    return " ".join(printed.decode(errors="replace").split())[-400:] or "it said nothing"
