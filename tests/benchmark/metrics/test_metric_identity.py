"""What made a metric's numbers: after a change of its code none of before is taken for one of now."""

import sys
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import pytest

from isorate import api
from isorate.engine.cache import ENVIRONMENT as CACHE_FOLDER
from isorate.files import code
from isorate.files.code import file_digest
from isorate.metrics.psnr_ycbcr import PsnrY
from isorate.metrics.registry import metric_identity

Offer = Callable[[str, str], None]


def test_a_metric_without_a_package_is_another_one_each_time(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "no_file", type(sys)("no_file"))
    kind = type("Odd", (PsnrY,), {"name": "odd", "__module__": "no_file"})
    monkeypatch.setattr(sys.modules["no_file"], "Odd", kind, raising=False)
    offer("odd", "no_file:Odd")
    first = metric_identity("odd")
    metric_identity.cache_clear()
    assert metric_identity("odd") != first


NETWORK = """
import torch
from isorate.metrics.psnr_ycbcr import PsnrY

class Network(PsnrY, torch.nn.Module):
    name = "network"
"""


def test_a_base_of_another_package_counts_by_its_version(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read all of PyTorch's files took seconds in every process."""
    (tmp_path / "network_metric.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)

    def now() -> str:
        offer("network", "network_metric:Network")
        return metric_identity("network")

    read: list[Path] = []

    def digest(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr("isorate.files.code.file_digest", digest)
    before = now()
    assert {path.name for path in read} >= {"network_metric.py", "psnr_ycbcr.py"}
    assert not any("torch" in path.parts for path in read)
    assert now() == before
    monkeypatch.setattr(code, "version", lambda name: f"0 of {name}")
    assert now() != before


METRIC = """
from isorate.metrics.base import Metric
from deep_metric.core import FACTOR
from deep_helper import SHIFT

class Deep(Metric):
    name, label, measured_on, implementation = "deep", "Deep", "RGB", "deep 1"
    larger_is_better, tolerance = False, 1

    def measure(self, reference, decoded):
        return FACTOR * float(abs(reference.astype(int) - decoded).mean()) + SHIFT
"""


def test_a_changed_helper_of_a_metric_leaves_no_old_number(
    offer: Offer, two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lies elsewhere in its package, or beside it."""
    package = tmp_path / "site" / "deep_metric"
    (package / "metrics").mkdir(parents=True)
    for folder in (package, package / "metrics"):
        (folder / "__init__.py").touch()
    (package / "metrics" / "deep.py").write_text(METRIC)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv(CACHE_FOLDER, str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(name: str, factor: int, shift: int) -> list[float | None]:
        (package / "core.py").write_text(f"FACTOR = {factor}\n")
        (package.parent / "deep_helper.py").write_text(f"SHIFT = {shift}\n")
        for module in [*sys.modules]:
            if module.partition(".")[0] in ("deep_metric", "deep_helper"):
                del sys.modules[module]
        offer("deep", "deep_metric.metrics.deep:Deep")
        made = api.run(two_photos, tmp_path / name, anchor="jpeg", codecs=[], points=["quality=30"], images=["coffee"],
                       metrics=["deep"], executor=in_process)  # fmt: skip
        return [row.metrics["deep"] for row in made.rows()]

    (value,) = run("before", 1, 0)
    assert value
    assert run("after", 2, 0) == [2 * value]
    with pytest.warns(UserWarning, match="1 rows are made anew: the metrics: deep"):
        assert run("before", 2, 5) == [2 * value + 5]
    monkeypatch.delitem(sys.modules, "deep_metric", raising=False)
