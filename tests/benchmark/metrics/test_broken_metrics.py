"""Metrics of other people fail in every way; the ones beside them go on."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isorate import api
from isorate.errors import MetricError, MetricUnavailableError
from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.registry import check_names, measured_by
from isorate.runs.manifest import MetricEntry

HEAD = """
from isorate.metrics.base import Metric as Base
class Good(Base):
    name, label, measured_on, implementation = "{name}", "Good", "RGB", "others 1"
    def measure(self, reference, decoded): return 1.0
"""
BROKEN = {
    "raises": ("raise RuntimeError('CUDA driver version is insufficient')", "RuntimeError: CUDA driver"),
    "leaves": ("raise SystemExit(3)", "SystemExit: 3"),
    "lacks": ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'; install the package"),
    "nothing": ("", "is no metric class"),
    "foreign": ("class Metric: pass", "is no metric class"),
    "abstract": (HEAD + "class Metric(Base):\n    name = label = measured_on = 'x'", "lacks implementation, measure"),
    "nameless": (HEAD + "class Metric(Base):\n    label = measured_on = implementation = 'x'", "lacks name, measure"),
    "misnamed": (HEAD + "class Metric(Good):\n    name = 'another'", "calls itself 'another'"),
    "unmade": (HEAD + "class Metric(Good):\n    def __init__(self): raise OSError('no key')", "OSError: no key"),
    "mute": (HEAD + "class Metric(Good):\n    implementation = property(lambda self: 1 / 0)", "ZeroDivisionError"),
    "number": (HEAD + "class Metric(Good):\n    implementation = 3", "its implementation is int, no text"),
    "odd": (HEAD + "class Metric(Good):\n    unit = object()", "TypeError"),
}  # fmt: skip
LOUD = "print('hello from an import')\n" + HEAD + "Metric = Good"


def test_every_broken_metric_is_listed_with_its_reason(
    tmp_path: Path, two_photos: Path, install: Callable[..., dict[str, str]]
) -> None:
    sources = {name: source.replace("{name}", name) for name, (source, _) in BROKEN.items()}
    sources["loud"] = LOUD.replace("{name}", "loud")
    points = "\n".join(["[isorate.metrics]", *(f"{name} = others_{name}:Metric" for name in sources)])
    modules = {f"others_{name}": source for name, source in sources.items()}
    environment = install(tmp_path / "site", "others", points, **modules)

    def isorate(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "isorate", *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = isorate("metrics", "--json")
    assert done.returncode == 0, done.stderr
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)}
    for name, (_, reason) in BROKEN.items():
        assert not listed[name]["available"]
        assert reason in listed[name]["hint"]
    assert listed["psnr_y"]["available"]
    assert listed["loud"]["available"]
    assert "hello from an import" in done.stderr
    done = isorate("doctor", "--data", two_photos)
    assert "Traceback" not in done.stderr
    assert "RuntimeError: CUDA driver" in done.stdout
    for name in ("leaves", "mute"):
        done = isorate("run", "--data", two_photos, "--anchor", "jpeg", "--metric", name, "-o", tmp_path / "run")
        assert done.returncode == 2
        assert f"isorate: metric {name}: " in done.stderr
        assert "Traceback" not in done.stderr


class Odd(Metric):
    """A metric that returns, or raises, what it is given."""

    name, label, measured_on, implementation = "odd", "Odd", "RGB", "here 1"
    gives: Any = 1.0

    def measure(self, reference: Image, decoded: Image) -> float | None:
        if isinstance(self.gives, BaseException):
            raise self.gives
        found: float | None = self.gives
        return found


@pytest.fixture
def odd(offer: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "odd_metric", sys.modules[__name__])
    offer("odd", "odd_metric:Odd")


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("given", [2, 2.0, np.float32(2), np.float64(2), np.int64(2)])
def test_every_kind_of_number_is_one(given: Any, photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "gives", given)
    found = measured_by("odd", photo, photo)
    assert type(found) is float
    assert found == 2


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    "given", [True, "2", float("nan"), -float("inf"), 10**400, 1j, np.array(1.0), np.array([1.0]), np.bool_(True), [2]]
)
def test_what_no_row_can_hold_is_refused_by_the_metrics_name(
    given: Any, photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "gives", given)
    with pytest.raises(
        MetricError, match=r"^metric odd: measure returned .*; a number from .* is needed; tell the auth"
    ):
        measured_by("odd", photo, photo)


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit(3)])
def test_a_failed_row_names_the_metric(
    error: BaseException, two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "gives", error)
    run = api.run(two_photos, tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=30"], images=["coffee"],
                  metrics=["odd"], executor=in_process, use_cache=False)  # fmt: skip
    (row,) = run.rows()
    assert row.status == f"failed: metric odd: fails: {type(error).__name__}: {error}; tell the author of its package"


@pytest.mark.usefixtures("odd")
def test_what_a_manifest_says_of_a_metric_that_fails_is_an_error_of_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Odd, "implementation", property(lambda _: 1 / 0))
    with pytest.raises(MetricUnavailableError, match="metric odd: cannot say what computes it: ZeroDivisionError"):
        check_names(["odd"])
    with pytest.raises(MetricUnavailableError, match="mend or remove the package"):
        MetricEntry.of("odd")


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("field", ["unit", "scale", "digits", "tolerance", "larger_is_better"])
def test_a_metric_that_cannot_say_what_it_is_is_told_with_its_name(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, field, property(lambda _: 1 / 0))
    with pytest.raises(MetricUnavailableError, match=r"^metric odd: cannot say what .*: ZeroDivisionError.*; mend"):
        MetricEntry.of("odd")


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("digits", np.int64(3), "int64"),
        ("digits", "x", "digits: expected `int`"),
        ("digits", 11, "digits: expected `int` <= 10"),
        ("scale", "odd", "scale: invalid enum value 'odd'"),
        ("tolerance", float("nan"), "tolerance is nan"),
        ("unit", None, "unit: expected `str`"),
        ("unit", b"Odd", "unit: is read back as something else"),
        ("label", "\ud800", "surrogates not allowed"),
    ],
)
def test_what_no_manifest_can_hold_is_told_with_its_metric(
    field: str, value: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, field, value)
    with pytest.raises(MetricError, match=rf"^metric odd: what it says of .* cannot stand in a run: .*{said}.*; tell"):
        MetricEntry.of("odd")
