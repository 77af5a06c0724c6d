import pytest

from isorate.codecs.base import Knob
from isorate.engine.points import check_point, default_points, parse_point, rate_at
from isorate.errors import UsageError
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
    with pytest.raises(UsageError, match="--point"):
        default_points("mine", Knob("k", 1, 2, integer=False, rising=True), "photos")
