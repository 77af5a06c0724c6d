"""``isorate.run`` from Python: codecs by name and as instances."""

import importlib
import pickle
import threading
from concurrent.futures import Executor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import isorate
from isorate.codecs.base import Codec
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.registry import CodecSpec
from isorate.engine.reproduce import Outcome, reproduce
from isorate.errors import UsageError

MODULE = """
import io
from dataclasses import dataclass
from isorate.codecs.jpeg import Jpeg

@dataclass(frozen=True)
class Mine(Jpeg):
    name, label = "mine", "Mine"
    turned: bool = False

class Long(Jpeg):
    name, label = "long", "Long"
    def __init__(self, quality_offset=0):
        super().__init__(mode="integer")
        object.__setattr__(self, "offset", quality_offset)
    options = property(lambda self: {"quality_offset": self.offset})
    def encode(self, image, knob):
        return super().encode(image, max(1, knob - self.offset))

class Taken(Jpeg):
    pass
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "isorate_test_codecs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("isorate_test_codecs")


@pytest.mark.slow
def test_instances_reach_the_worker_processes(module: Any, two_photos: Path, tmp_path: Path) -> None:
    codecs = [Jpeg(chroma="444"), module.Mine(turned=True), module.Long(7)]
    run = isorate.run(
        two_photos, tmp_path / "run", anchor=Jpeg(mode="integer"), codecs=codecs, points=["quality=20"],
        images=["coffee"], workers=1, tolerance_pct=10,
    )  # fmt: skip
    rows = {row.codec: row for row in run.rows()}
    assert all(row.ok for row in rows.values()), [row.status for row in rows.values()]
    assert list(rows) == ["jpeg:mode=integer", "jpeg:chroma=444", "mine", "long"]
    assert rows["jpeg:chroma=444"].options["chroma"] == "444"
    assert rows["mine"].options["turned"] is True
    assert rows["long"].options == {"quality_offset": 7}
    anchor = rows["jpeg:mode=integer"]
    assert anchor.knob is not None
    assert rows["long"].knob == anchor.knob + 7


def test_a_run_of_instances_of_registered_codecs_reproduces(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    run = isorate.run(
        two_photos, tmp_path / "run", anchor=Jpeg(), codecs=[Jpeg(progressive=True)], points=["quality=20"],
        images=["coffee"], executor=in_process,
    )  # fmt: skip
    assert [codec.spec for codec in run.manifest.codecs] == ["jpeg", "jpeg:progressive=true"]
    again = reproduce(run, tmp_path / "again", executor=in_process)
    assert {item.outcome for item in again} == {Outcome.SAME_FILE}


def test_an_instance_is_its_name_and_options_where_these_make_it(module: Any) -> None:
    assert CodecSpec.of(Jpeg(optimize=False)) == CodecSpec.parse("jpeg:optimize=False")
    assert CodecSpec.of(Jpeg()).instance is None
    mine = module.Mine(turned=True)
    assert CodecSpec.of(mine).text == "mine:turned=true"
    assert CodecSpec.of(mine).instance is mine


def test_what_cannot_take_part_is_told_before_anything_runs(module: Any) -> None:
    with pytest.raises(UsageError, match="codec jpeg: Taken has a registered codec's name"):
        CodecSpec.of(module.Taken())
    with pytest.raises(UsageError, match="codec local: it does not pickle"):
        CodecSpec.of(local_codec(threading.Lock()))


def test_two_codecs_of_one_name_are_told(module: Any, two_photos: Path, tmp_path: Path) -> None:
    class Mine(module.Mine):  # type: ignore[misc]
        def __reduce__(self) -> tuple[type, tuple[()]]:
            return module.Mine, ()

    with pytest.raises(UsageError, match="two codecs are called mine"):
        isorate.run(two_photos, tmp_path / "run", anchor=module.Mine(), codecs=[Mine()])


def local_codec(held: object = None) -> Codec:
    class Local(Jpeg):
        name = "local"

    made = Local()
    object.__setattr__(made, "held", held)
    return made


def test_a_class_that_no_module_holds_travels_by_value() -> None:
    spec = pickle.loads(pickle.dumps(CodecSpec.of(local_codec("something"))))
    assert spec.name == "local"
    assert spec.create().held == "something"
    assert spec.create().encode(np.zeros((16, 16, 3), np.uint8), 20)
