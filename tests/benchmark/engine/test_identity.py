"""What made a number is part of its identity: the cache, a continued run and the gate see what changed."""

import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.codecs.base import Codec
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.engine import cell
from isorate.engine.reproduce import reproduce
from isorate.errors import RunError
from isorate.gate.accept import make_baseline
from isorate.gate.check import check
from isorate.gate.findings import Kind, Verdict
from isorate.gate.tolerances import Tolerances
from isorate.runs.folder import Run
from isorate.runs.provenance import versions

from .test_execution import rows_written

PLUGIN = """
import numpy as np
from isorate.codecs.jpeg import Jpeg

class Fancy(Jpeg):
    name, label = "fancy", "Fancy"
    def decode(self, data):
        pixels = super().decode(data).astype(int)
        rows, columns = np.indices(pixels.shape[:2])
        return np.clip(pixels + {wrong} * ((rows + columns) % 2 * 2 - 1)[..., None], 0, 255).astype(np.uint8)
"""
"""A decoder that is {wrong} off in every sample: 1 costs about 0.05 dB."""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Codec]]:
    """Return a function that writes a plug-in anew and gives its codec, as a new process would find it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("ISORATE_CACHE_DIR", str(tmp_path / "cache"))

    def installed(wrong: int) -> Codec:
        (tmp_path / "fancy_plugin.py").write_text(PLUGIN.format(wrong=wrong))
        sys.modules.pop("fancy_plugin", None)
        importlib.invalidate_caches()
        found: Codec = importlib.import_module("fancy_plugin").Fancy()
        return found

    yield installed
    sys.modules.pop("fancy_plugin", None)


@pytest.fixture
def run(two_photos: Path, tmp_path: Path, in_process: Executor) -> Callable[..., tuple[Run, int]]:
    """Return a function that runs, and gives the run and how many rows came from the cache."""

    def go(name: str, anchor: Codec | str, *codecs: Codec | str) -> tuple[Run, int]:
        tally: Counter[str] = Counter()
        done = api.run(
            two_photos, tmp_path / name, anchor=anchor, codecs=codecs, points=["quality=20"], executor=in_process,
            progress=lambda counts, *_: tally.update(counts - tally),
        )  # fmt: skip
        return done, tally["cached"]

    return go


def figures(run: Run) -> list[Any]:
    return [(*row.key, row.num_bytes, row.psnr, row.ms_ssim, row.decoded_sha256) for row in run.rows()]


def test_a_plug_ins_changed_decoder_is_seen_by_the_gate(
    plugin: Callable[[int], Codec], run: Callable[..., tuple[Run, int]]
) -> None:
    before, cached = run("before", "jpeg", plugin(0))
    assert cached == 0
    assert run("again", "jpeg", plugin(0))[1] == 4
    after, cached = run("after", "jpeg", plugin(1))
    assert cached == 2
    checked = check(after, make_baseline(before), Tolerances())
    assert checked.verdict is Verdict.REGRESSION
    worse = [finding for finding in checked.of(Kind.WORSE) if finding.figure and finding.figure.metric == "psnr"]
    assert [(finding.image, finding.codec) for finding in worse] == [("astronaut", "fancy"), ("coffee", "fancy")]
    assert all(finding.figure and 0.02 < finding.figure.loss < 0.2 for finding in worse)


def test_a_continued_run_makes_the_rows_anew_that_another_identity_made(
    plugin: Callable[[int], Codec], run: Callable[..., tuple[Run, int]]
) -> None:
    done, _ = run("run", "jpeg", "jpeg2000", plugin(0))
    before = rows_written(done.path)
    code = plugin(1)
    with pytest.warns(UserWarning, match="run: 2 rows are made anew: fancy: code or libraries changed"):
        continued, cached = run("run", "jpeg", "jpeg2000", code)
    assert cached == 0
    assert rows_written(done.path) == before + 2  # of the other codecs none
    assert figures(continued) == figures(run("new", "jpeg", "jpeg2000", code)[0])
    assert continued.manifest.codecs == Run.open(continued.path).manifest.codecs
    assert continued.manifest.codec("jpeg") == done.manifest.codec("jpeg")
    assert continued.manifest.codec("fancy") != done.manifest.codec("fancy")
    assert figures(run("run", "jpeg", "jpeg2000", code)[0]) == figures(continued)  # and no warning any more


def test_a_changed_anchor_takes_all_rows_along(
    plugin: Callable[[int], Codec], run: Callable[..., tuple[Run, int]]
) -> None:
    run("run", plugin(0), "jpeg2000")
    with pytest.warns(
        UserWarning, match=r"4 rows are made anew: fancy: .* changed; it was driven to the anchor's rates"
    ):
        run("run", plugin(1), "jpeg2000")


def test_other_metrics_measure_every_row_again_and_encode_none(
    plugin: Callable[[int], Codec], run: Callable[..., tuple[Run, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when pytorch-msssim was upgraded between two starts, one of which was cut short."""
    done, _ = run("run", "jpeg", "jpeg2000")
    done.remove_row("coffee", "jpeg-quality20", "jpeg2000")
    for room in ("plan", "cache"):
        monkeypatch.setattr(f"isorate.engine.{room}.metrics_identity", lambda: "another")
    monkeypatch.setattr("isorate.engine.plan.versions", lambda: {**versions(), "pytorch-msssim": "9.9"})
    monkeypatch.setattr(cell, "ms_ssim", lambda *_: 0.5)
    for adapter in (Jpeg, Jpeg2000):
        for method in ("encode", "decode"):
            monkeypatch.setattr(adapter, method, None)
    with pytest.warns(UserWarning, match=r"3 rows are made anew: the metrics: pytorch-msssim .* → 9.9 changed"):
        continued, _ = run("run", "jpeg", "jpeg2000")
    assert [row.ms_ssim for row in continued.rows()] == [0.5] * 4
    assert continued.manifest.versions["pytorch-msssim"] == "9.9"


def test_a_repetition_takes_nothing_from_an_earlier_one(
    plugin: Callable[[int], Codec], run: Callable[..., tuple[Run, int]], tmp_path: Path, in_process: Executor
) -> None:
    done, _ = run("run", "jpeg")
    reproduce(done, tmp_path / "again", executor=in_process)
    for folder in (tmp_path / "again", done.path):
        with pytest.raises(RunError, match=r"not empty, .* give a new folder"):
            reproduce(done, folder, executor=in_process)
