"""The measurement of many cells runs, and its line is the one through what was measured."""

import json
import math
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

PROGRAM = Path(__file__).with_name("scale.py")


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    spec = spec_from_file_location("isorate_scale", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measured(scale: ModuleType, cells: int, cpu_s: float) -> object:
    return scale.Measured("pool", cells, "none", 2, 1.0, cpu_s, 0.5, 0.5, 0.1, None, None, 5, 0.3)


@given(at_none=st.floats(0.1, 100), a_cell=st.floats(1e-4, 1.0))
def test_what_grows_in_proportion_lies_on_the_line(scale: ModuleType, at_none: float, a_cell: float) -> None:
    found = scale.fit([measured(scale, cells, at_none + a_cell * cells) for cells in scale.SIZES])
    assert math.isclose(found[0], at_none, rel_tol=1e-3, abs_tol=1e-3)
    assert math.isclose(found[1], a_cell, rel_tol=1e-3)
    assert found[2] < 1e-3


def test_what_grows_with_the_square_does_not(scale: ModuleType) -> None:
    some = [measured(scale, cells, 3 + 1e-6 * cells**2) for cells in scale.SIZES]
    assert scale.fit(some)[2] > 20
    assert "1,000,000 cells" in scale.table(some)
    assert "20,000 | none" in scale.table(some)


@pytest.mark.slow
def test_two_small_runs_are_measured(tmp_path: Path) -> None:
    words = [
        "--cells",
        "3",
        "6",
        "--pool",
        "pool",
        "--keep",
        "streams",
        "--workers",
        "1",
        "-o",
        tmp_path / "a" / "b.json",
    ]
    done = subprocess.run([sys.executable, PROGRAM, *map(str, words)], capture_output=True, text=True, check=True)
    kept = json.loads((tmp_path / "a" / "b.json").read_text())
    assert [one["cells"] for one in kept] == [3, 6]
    assert all(one["files"] > one["cells"] and one["cpu_s"] > 0 and one["megabytes"] > 0 for one in kept)
    assert "pool, streams: " in done.stdout
