import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.errors import RunError
from isorate.runs.folder import Run
from isorate.runs.paths import safe_name
from isorate.runs.row import Row

SIDES = st.integers(1, 2**31)
ROWS = st.builds(
    Row, image=st.text(), width=SIDES, height=SIDES, image_sha256=st.text(), codec=st.text(),
    label=st.text(), point=st.text(), psnr=st.one_of(st.none(), st.just(math.inf), st.floats(0, 99)),
    trace=st.lists(st.lists(st.floats(0, 9), min_size=2, max_size=3)),
)  # fmt: skip


@given(ROWS)
def test_a_row_survives_json(row: Row) -> None:
    assert Row.from_json(row.to_json()) == row


def test_rows_of_another_version_are_named() -> None:
    with pytest.raises(RunError, match=r"here\.json: unknown fields \['colour'\]"):
        Row.from_json({"colour": 1}, "here.json")
    with pytest.raises(RunError, match=r"here\.json: .*missing"):
        Row.from_json({"image": "a"}, "here.json")


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_file_names_are_safe_and_different_for_different_names(a: str, b: str) -> None:
    for name in (safe_name(a), safe_name(b)):
        assert len(name) <= 80
        assert not name.startswith(".")
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-~")
    assert (safe_name(a) == safe_name(b)) == (a == b)


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run there"):
        Run.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        Run.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(RunError, match="another version"):
        Run.open(tmp_path)
