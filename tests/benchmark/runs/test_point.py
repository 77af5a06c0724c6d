import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isorate.codecs.base import Knob
from isorate.engine.points import parse_point
from isorate.runs.point import text_of_name

KNOBS = st.sampled_from(["q", "q2", "quality", "b", "bpp2", "e", "qp-1", "lmbda_"])


def old_name(anchor: str, key: str, value: float, *, digits: bool) -> str:
    """Return the name as versions wrote it before points were data: with all digits, or in the first ones with six."""
    short = f"{value:g}"
    return f"{anchor}-{key}{short if not digits or float(short) == value else repr(value)}"


@pytest.mark.parametrize(("name", "anchor", "knob", "text"), [
    ("mine-q220", "mine", "q2", "q2=20"),
    ("jpeg-quality20", "jpeg", "quality", "quality=20"),
    ("jpeg-bpp0.7512345678", "jpeg", "quality", "bpp=0.7512345678"),
    ("bpg-paper", "bpg", "qp", "paper"),
    ("a-b-q1e-05", "a-b", "q", "q=1e-05"),
])  # fmt: skip
def test_an_older_manifests_name_is_read(name: str, anchor: str, knob: str, text: str) -> None:
    assert text_of_name(name, anchor, knob) == text


@pytest.mark.parametrize(("name", "knob", "said"), [
    ("mine-bpp220", "bpp2", "it may be bpp=220 or bpp2=20"),
    ("mine-q20", "quality", "mine's knob is 'quality'"),
    ("other-q20", "q", "does not say"),
    ("mine-qinf", "q", "does not say"),
    ("mine-q-1", "q", "does not say"),
    ("mine-", "q", "does not say"),
])  # fmt: skip
def test_a_name_that_does_not_tell_the_point_is_refused(name: str, knob: str, said: str) -> None:
    with pytest.raises(ValueError, match="point") as error:
        text_of_name(name, "mine", knob)
    assert said in str(error.value)


@given(KNOBS, st.booleans(), st.floats(1e-6, 1e6), st.booleans())
def test_every_name_that_an_older_version_wrote_gives_its_value_or_is_refused(
    knob: str, is_rate: bool, value: float, digits: bool
) -> None:
    key = "bpp" if is_rate else knob
    name = old_name("mine", key, value, digits=digits)
    try:
        text = text_of_name(name, "mine", knob)
    except ValueError as error:
        assert "it may be" in str(error)  # noqa: PT017  (only a name with two readings may be refused)
        assert knob == "bpp2"
        return
    found_key, _, number = text.partition("=")
    assert found_key == key
    assert float(number) == (value if digits else float(f"{value:g}"))


@given(st.floats(1e-6, 1e6))
def test_two_values_never_share_a_name(value: float) -> None:
    knob = Knob("q", 0, 1e6, integer=False, rising=True)
    near = value * (1 + 1e-12)
    assume(near != value and near <= 1e6)
    assert parse_point(f"q={value!r}", "mine", knob).name != parse_point(f"q={near!r}", "mine", knob).name
