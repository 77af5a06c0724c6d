import re
from concurrent.futures import Executor
from pathlib import Path

import pytest

from isorate import api
from isorate.codecs.base import Knob
from isorate.engine.points import check_point, default_points, parse_point, rate_at
from isorate.errors import UsageError
from isorate.runs.folder import Run
from isorate.runs.point import AnchorPoint

QP = Knob("qp", 0, 51, integer=True, rising=False, default=37)


@pytest.mark.parametrize(("text", "name", "kind"), [
    ("qp=37", "bpg-qp37", "knob"), ("bpp=0.25", "bpg-bpp0.25", "bpp"), ("paper", "bpg-paper", "paper"),
])  # fmt: skip
def test_points_are_named(text: str, name: str, kind: str) -> None:
    point = parse_point(text, "bpg", QP)
    assert (point.name, point.kind) == (name, kind)


def test_the_papers_point_has_the_printed_rate_of_each_image() -> None:
    point = parse_point("paper", "bpg", QP)
    assert [rate_at(point, "bpg", name) for name in ("kodim02", "kodim23", "kodim01")] == [0.1950, 0.1289, None]
    assert rate_at(point, "learned", "kodim20") == rate_at(point, "bpg", "kodim20") == 0.1855
    assert point.value == 37
    assert rate_at(parse_point("bpp=0.3", "bpg", QP), "bpg", "kodim02") == 0.3
    assert rate_at(parse_point("qp=30", "bpg", QP), "bpg", "kodim02") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qp",
        "qp=",
        "qp=52",
        "qp=36.5",
        "quality=10",
        "bpp=0",
        "bpp=-1",
        "bpp=nan",
        "bpp=inf",
        "bpp=1e308",
        "bpp=1e-320",
        "qp=x",
    ],
)
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="point"):
        parse_point(text, "bpg", QP)


def test_a_manifests_rate_is_held_to_the_same_limits() -> None:
    check_point(AnchorPoint(name="x", kind="bpp", value=0.5), "bpg", QP)
    with pytest.raises(UsageError, match=r"1e-06 to 1e\+06"):
        check_point(AnchorPoint(name="x", kind="bpp", value=1e308), "bpg", QP)


def test_defaults_follow_the_data_set() -> None:
    assert default_points("bpg", QP, "kodak") == ["paper"]
    assert default_points("bpg", QP, "photos") == ["qp=37"]
    fine = Knob("k", 1, 2, integer=False, rising=True, default=1.23456789)
    assert default_points("mine", fine, "photos") == ["k=1.23456789"]
    with pytest.raises(UsageError, match="--point"):
        default_points("mine", Knob("k", 1, 2, integer=False, rising=True), "photos")


@pytest.mark.parametrize(("text", "said"), [
    ("qp=nan", "give qp=VALUE or bpp=VALUE, with a number for VALUE"),
    ("qp=x", "give qp=VALUE or bpp=VALUE, with a number for VALUE"),
    ("qp=-1", "qp takes a whole number from 0 to 51, not -1"),
    ("qp=36.5", "qp takes a whole number from 0 to 51, not 36.5"),
    ("qp=51.0000001", "qp takes a whole number from 0 to 51, not 51.0000001"),
    ("qp=inf", "qp takes a whole number from 0 to 51, not inf"),
    ("bpp=0", "bpp takes a number from 1e-06 to 1e+06"),
    ("psnr=0", "psnr takes a number above 0"),
])  # fmt: skip
def test_a_refused_value_is_told_with_what_is_taken(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"^point '{text}': {re.escape(said)}"):
        parse_point(text, "bpg", QP, match="psnr" if text.startswith("psnr") else "size")


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_a_knob_may_stand_at_0_or_below(value: float) -> None:
    knob = Knob("level", -5, 100, integer=False, rising=True, log=False, default=value)
    (text,) = default_points("mine", knob, "photos")
    point = parse_point(text, "mine", knob)
    assert (point.kind, point.value) == ("knob", value)
    check_point(point, "mine", knob)


def test_a_run_at_0_is_read_back(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    made = api.run(
        str(two_photos), tmp_path / "run", anchor="webp", codecs=["jpeg"], points=["quality=0"], executor=in_process
    )
    assert [row.knob for row in made.rows() if row.codec == "webp"] == [0, 0]
    (point,) = Run.open(tmp_path / "run").manifest.points
    assert point == AnchorPoint(name="webp-quality0", kind="knob", knob="quality", value=0)
