import pytest

from isorate.codecs.base import Knob
from isorate.engine.points import default_points, parse_point, rate_at
from isorate.errors import UsageError

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
    "text", ["", "qp", "qp=", "qp=52", "qp=36.5", "quality=10", "bpp=0", "bpp=-1", "bpp=nan", "qp=x"]
)
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="point"):
        parse_point(text, "bpg", QP)


def test_defaults_follow_the_data_set() -> None:
    assert default_points("bpg", QP, "kodak") == ["paper"]
    assert default_points("bpg", QP, "photos") == ["qp=37"]
    with pytest.raises(UsageError, match="--point"):
        default_points("mine", Knob("k", 1, 2, integer=False, rising=True), "photos")
