"""What a row has at the rate that its file misses."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.runs.equal_rate import Basis, at_target, basis, lacks_neighbour, log_share
from isorate.runs.row import Neighbour, Row

SIDE = 100
"""A picture of 10,000 pixels: 1250 bytes are 1 bpp."""


def row(num_bytes: int = 1100, target: float = 1250, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "image": "a", "width": SIDE, "height": SIDE, "image_sha256": "", "codec": "bpg", "label": "BPG", "point": "p",
        "target_bpp": target * 8 / SIDE**2, "num_bytes": num_bytes, "psnr": 30.0, "ms_ssim": 0.9,
        "residual_pct": 100 * (num_bytes / target - 1), "trace": [[37, num_bytes]],
    }  # fmt: skip
    return Row(**{**fields, **changes})


def neighbour(num_bytes: int = 1400, **changes: Any) -> Neighbour:
    fields: dict[str, Any] = {"psnr": 32.0, "ms_ssim": 0.99, "stream_sha256": "", "decoded_sha256": "", "stream": ""}
    return Neighbour(knob=36, num_bytes=num_bytes, **{**fields, **changes})


def test_quality_is_linear_in_log_rate_on_the_scales_of_the_curves() -> None:
    # half way from 1000 to 1440 in log rate is 1200
    found = at_target(row(1000, 1200, metrics={"psnr_y": 40.0}), neighbour(1440, metrics={"psnr_y": 41.0}))
    assert found["psnr"] == pytest.approx(31.0)
    assert found["psnr_y"] == pytest.approx(40.5)
    # 10 dB and 20 dB of 1 - MS-SSIM
    assert found["ms_ssim"] == pytest.approx(1 - 10**-1.5)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(1, 1e6))
def test_nothing_is_extrapolated(here: int, there: int, target: float) -> None:
    found = at_target(row(here, target), neighbour(there))["psnr"]
    inside = here != there and min(here, there) * (1 + 1e-12) <= target <= max(here, there) * (1 - 1e-12)
    if inside:
        assert found is not None
    if found is not None:
        assert 30.0 <= found <= 32.0
        assert min(here, there) <= target * (1 + 1e-12)
        assert target <= max(here, there) * (1 + 1e-12)


def test_what_is_infinite_or_not_defined_has_no_value() -> None:
    assert at_target(row(psnr=math.inf), neighbour())["psnr"] is None
    assert at_target(row(ms_ssim=None), neighbour(ms_ssim=None))["ms_ssim"] is None
    assert at_target(row(), neighbour(ms_ssim=1.0))["ms_ssim"] is None


def test_what_counts_is_the_interpolated_value_where_there_is_one() -> None:
    measured = row()
    found = replace(measured, neighbour=neighbour(), equal_rate=at_target(measured, neighbour()))
    assert measured.compared("psnr") == 30.0
    assert 30.0 < (found.compared("psnr") or 0) < 32.0
    assert found.psnr == 30.0
    bases = [basis(some, 0.5) for some in (found, measured, row(1251), replace(measured, role="anchor"))]
    assert bases == [Basis.INTERPOLATED, Basis.NONE, Basis.MEASURED, Basis.MEASURED]


def test_a_row_of_an_older_version_lacks_its_neighbour_where_the_search_met_one() -> None:
    both = [[37, 1100.0], [36, 1400.0]]
    assert lacks_neighbour(row(trace=both), 0.5)
    assert not lacks_neighbour(row(trace=both), 20)
    assert not lacks_neighbour(row(trace=both[:1]), 0.5)
    assert not lacks_neighbour(row(trace=both, neighbour=neighbour()), 0.5)
    assert not lacks_neighbour(row(trace=both, note="outside tolerance; no value at equal rate: it failed"), 0.5)
    assert not lacks_neighbour(row(trace=both, role="anchor"), 0.5)


def test_the_share_is_from_the_rows_file_to_the_neighbours() -> None:
    assert log_share(row(1000), neighbour(1440), 1200) == pytest.approx(0.5)
    assert log_share(row(1440), neighbour(1000), 1440) == 0
    assert log_share(row(1000), neighbour(1440), 999) is None


def test_a_neighbour_survives_json_infinite_values_too() -> None:
    beside = neighbour(psnr=math.inf, metrics={"psnr_y": math.inf, "flip": None})
    missing = row(psnr=29.0, metrics={"psnr_y": 31.0}, neighbour=beside)
    found = replace(missing, equal_rate=at_target(missing, beside))
    assert found.equal_rate["psnr"] is None
    assert Row.from_json(found.to_json()) == found
