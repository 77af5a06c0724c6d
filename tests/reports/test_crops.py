import itertools
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from isorate.errors import ReportError, RunError
from isorate.reports import figures, page, supplement
from isorate.reports.crops import Box, boxes, pins, propose, read_pins
from isorate.reports.results import Comparison, ImageInfo
from isorate.runs.folder import Run

SIX = ["kodim02", "kodim04", "kodim15", "kodim19", "kodim20", "kodim23"]


def test_the_six_images_of_the_supplementary_are_pinned(tmp_path: Path) -> None:
    pinned = pins(tmp_path)
    assert sorted({box.image for box in pinned}) == SIX
    for name in SIX:
        one, two = [box for box in pinned if box.image == name]
        portrait = name in ("kodim04", "kodim19")
        assert one.fits(*((512, 768) if portrait else (768, 512)))
        assert two.fits(*((512, 768) if portrait else (768, 512)))
        assert not one.overlaps(two)


def test_a_run_folder_pins_its_own(tmp_path: Path) -> None:
    mine = Box("mine", "kodim02", 1, 2, 30, 40, 3)
    (tmp_path / "crops.toml").write_text(mine.toml())
    pinned = pins(tmp_path)
    assert [box for box in pinned if box.image == "kodim02"] == [mine]
    assert sum(box.image == "kodim04" for box in pinned) == 2


def test_toml_survives_quotes() -> None:
    box = Box('say "hi" \\', "写真", 0, 0, 1, 1, 1)
    assert read_pins(box.toml(), "here") == [box]


@pytest.mark.parametrize(
    "text",
    [
        "[[crop",
        '[[crop]]\nname = "a"',
        '[[crop]]\nname="a"\nimage="b"\nx=0.5\ny=0\nwidth=1\nheight=1',
        '[[crop]]\nname="a"\nimage="b"\nx=0\ny=0\nwidth=1\nheight=1\nzoom=0',
        '[[crop]]\nname="a"\nimage="b"\nx=0\ny=0\nwidth=1\nheight=1\nzoom=1000000',
        '[[crop]]\nname=1\nimage="b"\nx=0\ny=0\nwidth=1\nheight=1',
        '[[crop]]\nname="a"\nimage=["b"]\nx=0\ny=0\nwidth=1\nheight=1',
        '[[crop]]\nname="a"\nimage="b"\nx=true\ny=0\nwidth=1\nheight=1',
        "crop = 1",
        'crop = ["x"]',
        "[crop]\nx = 1",
        f"crop = {'[' * 100_000}",
    ],
)
def test_bad_pins_are_refused_by_name(text: str) -> None:
    with pytest.raises(ReportError, match=r"^my\.toml(:\d+)?: "):
        read_pins(text, "my.toml")


def test_the_pins_of_a_strangers_run_are_read_as_a_plain_utf_8_file_only(tmp_path: Path) -> None:
    file = tmp_path / "crops.toml"
    mine = Box("mine", "Fjörd", 1, 2, 30, 40, 3)
    file.write_text(mine.toml(), "utf-8-sig")
    assert pins(tmp_path)[0] == mine
    file.write_text(mine.toml(), "utf-16")
    with pytest.raises(ReportError, match=r"crops\.toml: is UTF-16"):
        pins(tmp_path)
    file.write_text(mine.toml(), "latin-1")
    with pytest.raises(ReportError, match=r"crops\.toml: is not UTF-8"):
        pins(tmp_path)
    for make in (Path.mkdir, os.mkfifo):
        file.unlink()
        make(file)
        with pytest.raises(RunError, match=r"crops\.toml: is no plain file"):
            pins(tmp_path)
        file.rmdir() if file.is_dir() else None
        file.touch()


def test_a_proposal_lies_where_the_codecs_differ() -> None:
    original = np.full((200, 300, 3), 128, np.uint8)
    good, bad = original.copy(), original.copy()
    bad[120:140, 200:230] = 0
    good[10:30, 10:40] = bad[10:30, 10:40] = 0  # both are wrong here: nothing to see
    first, second = propose("x", original, [good, bad])
    assert first.x <= 200
    assert first.x + first.width >= 230
    assert first.y <= 120
    assert first.y + first.height >= 140
    assert not first.overlaps(second)


def test_proposals_fit_do_not_overlap_and_repeat(run: Run) -> None:
    comparison = Comparison(run)
    for image in comparison.images:
        rows = [row for row in run.rows() if row.image == image.name and row.point == "webp-quality10"]
        frames = [run.read_image(row.decoded) for row in rows]
        found = boxes(comparison, image, [], frames, 3)
        assert found == boxes(comparison, image, [], frames, 3)
        assert all(box.fits(image.width, image.height) for box in found)
        assert not any(a.overlaps(b) for a, b in itertools.combinations(found, 2))


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (31, 33)])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_pictures(shape: tuple[int, int], count: int) -> None:
    original = np.zeros((*shape, 3), np.uint8)
    found = propose("x", original, [original] * count)
    assert found
    assert all(box.fits(shape[1], shape[0]) for box in found)


def test_a_pin_that_does_not_fit_is_not_of_this_picture(run: Run) -> None:
    comparison = Comparison(run)
    image: ImageInfo = comparison.images[0]
    outside = Box("out", image.name, 5000, 0, 10, 10)
    assert outside not in boxes(comparison, image, [outside], [])


@pytest.mark.parametrize("place", ["x = 250\ny = 0\nwidth = 7\nheight = 8", "x = 0\ny = 0\nwidth = 0\nheight = 8"])
def test_a_box_of_the_run_s_own_that_is_not_in_its_picture_is_refused(run: Run, tmp_path: Path, place: str) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    part = Run.open(tmp_path / "run")
    image: ImageInfo = Comparison(part).images[0]
    box = f'[[crop]]\nname = "eye"\nimage = "{image.name}"\n{place}\n'
    other = '[[crop]]\nname = "a"\nimage = "of another run"\nx = 0\ny = 0\nwidth = 9999\nheight = 1\n'
    (part.path / "crops.toml").write_text(other + box)
    said = rf"crops\.toml: crop eye .* does not lie in {image.name}, which has {image.width} × {image.height} pixels; "
    for show in (page.render, supplement.write, partial(figures.render, out=tmp_path / "figures")):
        with pytest.raises(ReportError, match=said):
            show(part)
