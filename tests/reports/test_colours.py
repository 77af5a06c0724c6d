"""A codec's colour is the same in every report."""

import pytest

from isorate.reports import colours, paper
from isorate.reports.results import Comparison
from isorate.runs.folder import Run


@pytest.mark.parametrize(
    "codecs", [["learned", "bpg", "jpeg2000", "jpeg"], ["bpg", "x", "jpeg", "learned", "jpeg2000"]]
)
def test_a_known_codec_keeps_its_own_whatever_stands_beside_it(codecs: list[str]) -> None:
    found = dict(zip(codecs, colours.numbers(codecs), strict=True))
    assert [found[name] for name in ("learned", "bpg", "jpeg2000", "jpeg")] == [0, 1, 2, 3]


def test_another_codec_has_the_same_in_any_order_and_nobody_elses() -> None:
    alone = colours.numbers(["mine"])[0]
    assert alone >= len(colours.FIXED)
    assert colours.numbers(["learned", "mine", "bpg"])[1] == colours.numbers(["bpg", "mine"])[1] == alone


def test_options_of_one_codec_have_colours_of_their_own_while_there_are_enough() -> None:
    names = ["jpeg:chroma=444", "jpeg", *(f"codec{at}" for at in range(6))]
    assert sorted(colours.numbers(names)) == list(range(8))
    assert colours.numbers(names)[1] == 3
    assert len(colours.numbers([*names, "more"])) == 9
    assert colours.numbers(["jpeg:chroma=444", "bpg"]) == [3, 1]


def test_page_and_figures_have_as_many_and_the_run_uses_them(run: Run) -> None:
    assert len(paper.COLOURS) == len(paper.MARKERS) == colours.COUNT
    columns = Comparison(run).columns
    assert {column.codec: column.colour for column in columns[1:]} == {"jpeg2000": 2, "jpeg": 3}
