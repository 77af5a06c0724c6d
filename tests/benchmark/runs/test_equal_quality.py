"""What a row needs for the quality that its file misses."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.runs.equal_quality import at_quality
from isorate.runs.equal_rate import Basis, basis
from isorate.runs.row import AtQuality, Neighbour, Row

SCALES: dict[str, Any] = {"psnr": "as it is", "ms_ssim": "similarity", "ciede2000": "error"}


def row(num_bytes: int = 1000, psnr: float = 30.0, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "image": "a", "width": 100, "height": 100, "image_sha256": "", "codec": "bpg", "label": "BPG", "point": "p",
        "num_bytes": num_bytes, "bpp": num_bytes * 8 / 1e4, "psnr": psnr, "ms_ssim": 0.9, "metrics": {"ciede2000": 2.0},
    }  # fmt: skip
    return Row(**{**fields, **changes})


def neighbour(num_bytes: int = 1440, psnr: float = 32.0, **changes: Any) -> Neighbour:
    fields: dict[str, Any] = {"ms_ssim": 0.99, "metrics": {"ciede2000": 1.0}, "stream": ""}
    more: dict[str, Any] = {"stream_sha256": "", "decoded_sha256": ""}
    return Neighbour(knob=36, num_bytes=num_bytes, psnr=psnr, **{**fields, **more, **changes})


def test_size_is_linear_in_its_logarithm_over_the_metric_and_the_others_follow() -> None:
    found = at_quality(row(), neighbour(), "psnr", 31.0, SCALES)
    assert found["bpp"] == pytest.approx(1200 * 8 / 1e4)  # half way from 1000 to 1440 in log size
    assert found["psnr"] == pytest.approx(31.0)
    assert found["ms_ssim"] == pytest.approx(1 - 10**-1.5)  # 10 and 20 dB
    assert found["ciede2000"] == pytest.approx(math.sqrt(2.0))


def test_a_smaller_error_is_the_better_file() -> None:
    found = at_quality(row(), neighbour(), "ciede2000", math.sqrt(2.0), SCALES)
    assert found["bpp"] == pytest.approx(0.96)
    assert found["psnr"] == pytest.approx(31.0)


@given(st.floats(20, 40), st.floats(20, 40), st.floats(20, 40))
def test_nothing_is_extrapolated(here: float, there: float, target: float) -> None:
    found = at_quality(row(psnr=here), neighbour(psnr=there), "psnr", target, SCALES)
    if found:
        assert min(here, there) <= target <= max(here, there)
        assert 0.8 * (1 - 1e-12) <= (found["bpp"] or 0) <= 1.152 * (1 + 1e-12)
    else:
        assert here == there or not min(here, there) <= target <= max(here, there)


def test_without_a_finite_value_there_is_none() -> None:
    assert at_quality(row(), neighbour(psnr=math.inf), "psnr", 31.0, SCALES) == {}
    assert at_quality(row(ms_ssim=None), neighbour(), "ms_ssim", 0.95, SCALES) == {}
    assert at_quality(row(), neighbour(ms_ssim=1.0), "psnr", 31.0, SCALES)["ms_ssim"] is None


def test_what_counts_is_the_interpolated_size() -> None:
    asked = AtQuality(metric="psnr", target=31.0, gap=-1.0, trace=[30.0, None])
    measured = row(quality=asked)
    equal = at_quality(row(), neighbour(), "psnr", 31.0, SCALES)
    found = row(neighbour=neighbour(), quality=AtQuality(metric="psnr", target=31.0, gap=-1.0, equal=equal))
    assert (measured.compared("bpp"), measured.compared("psnr")) == (0.8, 30.0)
    assert found.compared("bpp") == pytest.approx(0.96)
    assert found.bpp == 0.8
    near = row(quality=AtQuality(metric="psnr", target=30.01, gap=-0.01))
    assert [basis(some, 0.02) for some in (found, measured, near)] == [
        Basis.INTERPOLATED, Basis.NONE, Basis.MEASURED
    ]  # fmt: skip
    for some in (found, measured, near):
        assert Row.from_json(some.to_json()) == some


def test_a_file_without_any_error_is_infinitely_better() -> None:
    found = row(psnr=math.inf, quality=AtQuality(metric="psnr", target=31.0, gap=None))
    assert found.residual == math.inf
    assert basis(found, 0.02) is Basis.NONE
    assert Row.from_json(found.to_json()) == found


def test_a_row_at_equal_rate_says_nothing_of_quality() -> None:
    assert "quality" not in row().to_json()
