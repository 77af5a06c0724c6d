import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate.cli import main
from isorate.reports.compare_page import html, notes, text, to_json
from isorate.reports.compare_runs import compare_runs
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest
from isorate.runs.row import ANCHOR, MATCHED, Row

POINTS = {"jpeg-quality10": 4000, "jpeg-quality20": 8000, "jpeg-quality40": 16000, "jpeg-quality80": 32000}


def make_run(
    path: Path,
    edit: Callable[[Row], Row] = lambda row: row,
    images: Sequence[str] = ("a", "b", "<c>"),
    versions: dict[str, str] | None = None,
) -> Run:
    manifest: dict[str, Any] = {
        "title": "t",
        "dataset": {"name": "d", "images": [{"name": i, "width": 256, "height": 256, "sha256": i} for i in images]},
        "anchor": "jpeg",
        "codecs": [
            {"name": c, "backend": f"{c} 1", "spec": c, "options": {}, "available": True} for c in ("jpeg", "jpeg2000")
        ],
        "policy": "nearest",
        "points": list(POINTS),
        "versions": versions or {"python": "3.11"},
        "platform": {},
        "tolerance_pct": 0.5,
    }
    run = Run.create(path, Manifest.from_json(manifest))
    for number, image in enumerate(images):
        for codec in ("jpeg", "jpeg2000"):
            for rank, (point, size) in enumerate(POINTS.items()):
                row = Row(
                    image=image, width=256, height=256, image_sha256=image, codec=codec, label=codec.upper(),
                    role=ANCHOR if codec == "jpeg" else MATCHED, point=point, knob=1.0, target_bpp=size / 8192,
                    num_bytes=size, bpp=size / 8192, residual_pct=0.0, psnr=28.0 + 3 * rank + number,
                    ms_ssim=0.9 + 0.02 * rank,
                )  # fmt: skip
                run.write_row(edit(row))
    return run


def better(row: Row) -> Row:
    assert row.psnr is not None
    return replace(row, psnr=row.psnr + 0.5) if row.codec == "jpeg2000" else row


def test_differences_wins_and_bd_rate(tmp_path: Path) -> None:
    compared = compare_runs(make_run(tmp_path / "a"), make_run(tmp_path / "b", better))
    jpeg, jpeg2000 = compared.codecs
    assert jpeg.psnr is not None
    assert jpeg2000.psnr is not None
    assert (jpeg.psnr.mean, jpeg.wins_psnr) == (0, 0.5)
    assert jpeg.bd_psnr.percent == pytest.approx(0, abs=1e-6)
    assert jpeg2000.psnr.mean == pytest.approx(0.5)
    assert (jpeg2000.wins_psnr, jpeg2000.wins_ms_ssim) == (1, 0.5)
    # 3 dB a doubling: 0.5 dB are worth 2 ** (-1/6) - 1 of the rate
    assert jpeg2000.bd_psnr.percent == pytest.approx(100 * (2 ** (-1 / 6) - 1), abs=0.2)


def test_the_points_of_an_image_go_together(tmp_path: Path) -> None:
    gains = {"a": 0.1, "b": 0.5, "<c>": 0.9}

    def edit(row: Row) -> Row:
        return replace(row, psnr=(row.psnr or 0) + gains[row.image]) if row.codec == "jpeg2000" else row

    compared = compare_runs(make_run(tmp_path / "a"), make_run(tmp_path / "b", edit))
    change = compared.codecs[1]
    assert change.psnr is not None
    assert (change.images, len(change.pairs), change.psnr.count) == (3, 12, 3)
    # three images with a standard error of 0.4 / √3; twelve cells would claim a change
    assert not change.psnr.clear
    assert change.psnr.high == pytest.approx(0.5 + 4.30265 * 0.4 / 3**0.5, abs=1e-5)
    head, _, line, *_ = (part.split() for part in text(compared).splitlines())
    assert head[:3] == ["codec", "images", "cells"]
    assert line[:3] == ["JPEG2000", "3", "12"]
    assert "over the images" in notes(compared)[0]
    assert json.loads(to_json(compared))["codecs"][1]["images"] == 3


def test_an_image_with_fewer_points_counts_as_the_others_do(tmp_path: Path) -> None:
    def edit(row: Row) -> Row:
        if row.image == "a":
            failed = row.point != "jpeg-quality10"
            return replace(row, psnr=(row.psnr or 0) + 3, status="failed: x" if failed else "ok")
        return row

    change = compare_runs(make_run(tmp_path / "a"), make_run(tmp_path / "b", edit)).codecs[1]
    assert change.psnr is not None
    assert (len(change.pairs), change.psnr.count) == (9, 3)
    assert change.psnr.mean == pytest.approx((3 + 0 + 0) / 3)


def failing(*cells: tuple[str, str]) -> Callable[[Row], Row]:
    """Let JPEG2000 fail on an image, at a point or at all where that is empty."""

    def edit(row: Row) -> Row:
        fails = row.codec == "jpeg2000" and ((row.image, row.point) in cells or (row.image, "") in cells)
        return replace(row, status="failed: x", num_bytes=None, bpp=None, psnr=None, ms_ssim=None) if fails else row

    return edit


@pytest.mark.parametrize("point", ["", "jpeg-quality40"])
@pytest.mark.parametrize("sides", ["A", "B", "AB"])
def test_an_image_on_which_a_codec_fails_is_in_neither_curve(tmp_path: Path, point: str, sides: str) -> None:
    fails = failing(("b", point))
    first = make_run(tmp_path / "a", lambda row: fails(row) if "A" in sides else row)
    second = make_run(tmp_path / "b", lambda row: fails(better(row)) if "B" in sides else better(row))
    compared = compare_runs(first, second)
    rest = compare_runs(make_run(tmp_path / "c", images=("a", "<c>")), make_run(tmp_path / "d", better, ("a", "<c>")))
    jpeg, jpeg2000 = compared.codecs
    assert jpeg.bd_psnr.left_out == ()
    for rate, alone in ((jpeg2000.bd_psnr, rest.codecs[1].bd_psnr), (jpeg2000.bd_ms_ssim, rest.codecs[1].bd_ms_ssim)):
        assert rate.left_out == ("b",)
        assert rate.percent == alone.percent is not None
    assert (jpeg2000.images_in_both, jpeg2000.images) == (3, 3 if point else 2)
    said = (
        "JPEG2000: BD-rate PSNR, MS-SSIM over 2 of 3 images, without b, on which it failed or has no finite value "
        "in A or B."
    )
    assert [note for note in notes(compared) if "BD-rate PSNR" in note] == [said]
    assert json.loads(to_json(compared))["codecs"][1]["bd_psnr"]["left_out"] == ["b"]


def test_a_codec_that_fails_on_every_image_has_no_bd_rate(tmp_path: Path) -> None:
    first = make_run(tmp_path / "a", failing(("a", ""), ("b", "")))
    second = make_run(tmp_path / "b", failing(("<c>", "jpeg-quality10")))
    change = compare_runs(first, second).codecs[1]
    assert change.bd_psnr.percent is None
    assert change.bd_psnr.reason == "JPEG2000 has no image with a value at every operating point of both runs"
    assert change.bd_psnr.left_out == ("a", "b", "<c>")


def test_a_point_at_which_a_codec_fails_on_every_image_leaves_none_out(tmp_path: Path) -> None:
    points = ("jpeg-quality10", "jpeg-quality20")
    every = make_run(tmp_path / "a", failing(*((image, points[0]) for image in ("a", "b", "<c>"))))
    change = compare_runs(every, make_run(tmp_path / "b")).codecs[1]
    assert change.bd_psnr.left_out == ()
    assert change.bd_psnr.reason == "JPEG2000 has 3 usable points; a curve needs 4"


def test_text_and_page_say_the_same_and_escape(tmp_path: Path) -> None:
    compared = compare_runs(make_run(tmp_path / "a"), make_run(tmp_path / "b", better))
    printed, page = text(compared), html(compared)
    for said in ("+0.500", "100%", "JPEG2000"):
        assert said in printed
        assert said in page
    assert "&lt;c&gt;" in page
    assert "<c>" not in page


def test_what_a_terminal_would_obey_is_shown(tmp_path: Path) -> None:
    odd = "JPEG\x1b[2J\u202e\nwon"
    first, second = (make_run(tmp_path / name, lambda row: replace(row, label=odd)) for name in "ab")
    printed = text(compare_runs(first, second))
    assert "JPEG\\x1b[2J\\u202e\\x0awon" in printed
    assert not {"\x1b", "\u202e"} & set(printed)


def test_a_change_is_marked_by_its_sign(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b", better)
    gained, lost = html(compare_runs(first, second)), html(compare_runs(second, first))
    assert gained.count('<td class="better">+0.5000</td>') == lost.count('<td class="worse">−0.5000</td>') == 12
    assert 'class="worse"' not in gained
    assert 'class="better"' not in lost


def test_an_identical_picture_leaves_the_json_strict_and_the_rest_its_mean(tmp_path: Path) -> None:
    def edit(row: Row) -> Row:
        return replace(row, psnr=math.inf) if (row.image, row.codec) == ("a", "jpeg2000") else better(row)

    compared = compare_runs(make_run(tmp_path / "a"), make_run(tmp_path / "b", edit))
    jpeg2000 = compared.codecs[1]
    assert jpeg2000.psnr is not None
    assert jpeg2000.psnr.mean == pytest.approx(0.5)
    assert (jpeg2000.psnr.count, jpeg2000.images) == (2, 3)
    assert "+0.500 (+0.500 … +0.500), n = 2" in text(compared)
    assert jpeg2000.bd_psnr.percent == pytest.approx(100 * (2 ** (-1 / 6) - 1), abs=0.2)
    json.loads(to_json(compared), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    def edit(row: Row) -> Row:
        if row.codec == "jpeg":
            assert row.num_bytes is not None
            size = row.num_bytes + 400
            status = "ok" if row.image == "b" else "failed: x"
            return replace(row, num_bytes=size, bpp=size / 8192, target_bpp=size / 8192, status=status)
        return row

    first = make_run(tmp_path / "a")
    second = make_run(tmp_path / "b", edit, images=("a", "b", "<c>", "d"), versions={"python": "3.12"})
    said = second.manifest.to_json()
    said["dataset"]["images"][0]["sha256"] = "other"
    second = Run.create(second.path, Manifest.from_json(said))
    for row in first.rows():
        if row.image == "a":
            second.write_row(replace(row, image_sha256="other"))
    told = " ".join(notes(compare_runs(first, second)))
    assert "not compared: a" in told
    assert "8 cells are in" in told
    assert "0 cells failed in A, 4 in B" in told
    assert "4 of 4 cells differ in file size" in told
    assert "python 3.11 → 3.12" in told


def test_the_command_writes_text_json_and_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", better)
    words = ["compare", str(tmp_path / "a"), str(tmp_path / "b")]
    assert main([*words, "--html", str(tmp_path / "page.html")]) == 0
    assert "BD-rate" in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["codecs"][1]["cells"][0]["psnr"] == pytest.approx(0.5)
    make_run(tmp_path / "z", images=("z",))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "z")]) == 2
    assert "no cell in common" in capsys.readouterr().err
