"""A row that contradicts itself is damaged, whichever of its numbers was changed."""

import json
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from isorate import api
from isorate.cli import main
from isorate.codecs.jpeg import Jpeg
from isorate.errors import RunError
from isorate.runs.folder import Run
from isorate.runs.row import Row

Change: TypeAlias = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, photo: Any) -> dict[str, Row]:
    """Rows of a whole-number knob with their neighbours, at equal rate and at equal quality, and others."""
    found: dict[str, Row] = {}
    folder = tmp_path_factory.mktemp("rows")
    for match in ("size", "psnr", "ms_ssim"):
        done = api.run({"photo": photo}, folder / match, anchor="webp", codecs=[Jpeg(mode="integer"), "jpeg2000"],
                       points=["quality=9"], match=match, metrics=["psnr_y"], use_cache=False, workers=1)  # fmt: skip
        found |= {f"{match} {row.codec}": row for row in done.rows()}
    return found


def test_what_a_run_writes_is_all_of_a_piece(rows: dict[str, Row]) -> None:
    assert len(rows) == 9
    for row in rows.values():
        assert row.ok
        assert Row.from_json(json.loads(json.dumps(row.to_json()))) == row
    for match in ("size", "psnr", "ms_ssim"):
        apart = rows[f"{match} jpeg"]
        assert apart.neighbour is not None
        assert apart.equal


def set_all(**values: Any) -> Change:
    return lambda data: data.update(values)


def beside(**values: Any) -> Change:
    return lambda data: data["neighbour"].update(values)


def aim(**values: Any) -> Change:
    return lambda data: data["quality"].update(values)


SIZE = [
    (set_all(bpp=0.001), "bpp is 0.001, and "),
    (set_all(bpp=0), "bpp is "),
    (set_all(num_bytes=0), "num_bytes is 0 of "),
    (set_all(num_bytes=12345), "and 12345 bytes of 191 x 175 pixels are"),
    (set_all(num_bytes=None), "and num_bytes is null"),
    (set_all(width=1), "bytes of 1 x 175 pixels are"),
    (set_all(height=0), "of 191 x 0 pixels"),
    (set_all(header_bytes=10**6), "header_bytes is 1000000, and num_bytes is"),
    (set_all(residual_pct=0.0), "residual_pct is 0.0, and bpp"),
    (set_all(residual_pct=None), "residual_pct is None, and bpp"),
    (set_all(target_bpp=9.0), "residual_pct is "),
    (set_all(target_bpp=0.0), "residual_pct is "),
    (beside(num_bytes=1), "not between the file's"),
    (beside(num_bytes=10**6), "on the line between its files'"),
    (set_all(neighbour=None), "it has values at an equal rate, and no neighbour"),
    (lambda data: data["equal_rate"].update(psnr=99.0), "psnr is 99.0 between its files'"),
    (lambda data: data["equal_rate"].update(ms_ssim=0.1), "ms_ssim is 0.1 between its files'"),
    (lambda data: data["equal_rate"].update(psnr_y=1.0), "psnr_y is 1.0 between its files'"),
    (beside(psnr=None), "between its files'"),
    (beside(psnr="inf"), "between its files'"),
    (set_all(psnr=99.0), "between its files'"),
]
QUALITY = [
    (aim(gap=0.0), "quality.gap is 0.0, and psnr"),
    (aim(gap=None), "quality.gap is null, and psnr"),
    (aim(target=9.0), "quality.gap is "),
    (set_all(psnr=99.0), "quality.gap is "),
    (set_all(target_bpp=1.0, residual_pct=0.0), "residual_pct is 0.0"),
    (set_all(equal_rate={"psnr": 30.0}), "it has a rate that was asked for, and a quality in psnr"),
    (set_all(neighbour=None), "it has values at an equal quality, and no neighbour"),
    (lambda data: data["quality"]["equal"].update(bpp=0.001), "bpp is 0.001 between its files'"),
    (beside(num_bytes=10**6), "bpp is "),
    (lambda data: data["quality"]["equal"].update(ms_ssim=0.1), "ms_ssim is 0.1 between its files'"),
    (beside(psnr=99.0), "its files'"),
]


@pytest.mark.parametrize(("name", "change", "said"), [
    *(("size jpeg", *case) for case in SIZE), *(("psnr jpeg", *case) for case in QUALITY),
    ("ms_ssim jpeg", aim(gap=0.0), "quality.gap is 0.0, and ms_ssim"),
    ("size webp", set_all(bpp=0.001), "bpp is 0.001"), ("size webp", set_all(residual_pct=1.0), "residual_pct is 1.0"),
])  # fmt: skip
def test_a_number_that_contradicts_the_others_is_damage(
    rows: dict[str, Row], name: str, change: Change, said: str
) -> None:
    data = json.loads(json.dumps(rows[name].to_json()))
    change(data)
    with pytest.raises(RunError, match="here: it contradicts itself: ") as error:
        Row.from_json(data, "here")
    assert said in str(error.value)


def test_rounding_is_no_contradiction(rows: dict[str, Row]) -> None:
    for row in rows.values():
        data = json.loads(json.dumps(row.to_json()), parse_float=lambda text: float(f"{float(text):.9g}"))
        assert Row.from_json(data).key == row.key


def test_what_failed_says_no_number(rows: dict[str, Row]) -> None:
    data = {**rows["size jpeg"].to_json(), "bpp": 0.001, "status": "failed: x"}
    assert not Row.from_json(data).ok


def test_every_reader_refuses_such_a_run(
    two_photos: Path, tmp_path: Path, in_process: Executor, capsys: pytest.CaptureFixture[str]
) -> None:
    run = api.run(two_photos, tmp_path / "run", anchor="jpeg", codecs=["webp"], points=["quality=20"],
                  executor=in_process)  # fmt: skip
    for shard in (run.path / "rows").iterdir():
        lines = [json.loads(line) for line in shard.read_text().splitlines()]
        for line in lines:
            line.get("row", {}).update(bpp=0.001)
        shard.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for command in ("table", "report", "baseline"):
        assert main([command, str(run.path)]) == 2
        assert "it contradicts itself: bpp is 0.001" in capsys.readouterr().err
    with pytest.raises(RunError, match="line 1: it contradicts itself"):
        Run.open(run.path).rows()
