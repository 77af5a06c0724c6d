import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from isorate.errors import ReportError
from isorate.reports import figures
from isorate.runs.folder import Run


@pytest.fixture(scope="module")
def made(run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return figures.render(run.path, tmp_path_factory.mktemp("figures"), images=["astronaut"], width=3.25, dpi=100)


def pixels(path: Path) -> NDArray[np.int64]:
    with PillowImage.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def test_crops_full_image_and_curves_in_both_formats(made: list[Path]) -> None:
    stems = {f"{kind}-astronaut-webp-quality{q}" for kind in ("crops", "whole") for q in (10, 30, 55, 80)}
    stems |= {"full", "rd-psnr", "rd-ms_ssim", "rd-ms_ssim_db"}
    assert {path.name for path in made} == {f"{stem}.{suffix}" for stem in stems for suffix in ("pdf", "png")}


def test_pdf_text_is_text_in_embedded_truetype(made: list[Path]) -> None:
    for path in made:
        if path.suffix == ".pdf":
            data = path.read_bytes()
            assert b"/FontFile2" in data
            assert b"/Type3" not in data


def test_width_is_the_one_asked_for(made: list[Path]) -> None:
    for path in made:
        if path.suffix == ".png":
            assert pixels(path).shape[1] == 325
        else:
            box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", path.read_bytes())
            assert box
            assert float(box[1]) == pytest.approx(3.25 * 72)


def test_boxes_are_orange_on_the_full_image(made: list[Path]) -> None:
    full = pixels(next(path for path in made if path.name == "full.png"))
    orange = (abs(full - [0xF0, 0x7C, 0x10]).sum(axis=2) < 60).sum()
    assert orange > 100


def test_every_codecs_whole_picture_has_the_boxes_in_orange(made: list[Path]) -> None:
    whole = pixels(next(path for path in made if path.name == "whole-astronaut-webp-quality10.png"))
    orange = abs(whole - [0xF0, 0x7C, 0x10]).sum(axis=2) < 60
    quarters = [part for half in np.array_split(orange, 2) for part in np.array_split(half, 2, axis=1)]
    assert all(part.sum() > 30 for part in quarters)


def test_no_label_is_cut_at_the_edge(made: list[Path]) -> None:
    for path in made:
        if path.name in ("rd-psnr.png", "rd-ms_ssim.png", "rd-ms_ssim_db.png"):
            picture = pixels(path)
            assert (picture[-2:] == 255).all()
            assert (picture[:, :1] == 255).all()


def test_hostile_names_failures_and_one_point_with_the_same_bytes_in_another_process(
    hostile_run: Run, tmp_path: Path
) -> None:
    made = figures.render(hostile_run.path, tmp_path / "one", dpi=72)
    assert len(made) == 12
    assert all(path.parent == tmp_path / "one" for path in made)
    code = (
        "import sys; from pathlib import Path; from isorate.reports import figures;"
        "figures.render(*map(Path, sys.argv[1:]), dpi=72)"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(hostile_run.path), str(tmp_path / "two")], check=True)
    for path in made:
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_style_of_tueplots_and_many_published_curves(
    hostile_run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tueplots", reason="no tueplots")
    table = tmp_path / "published.csv"
    lines = [f"Codec {codec},{rate},{30 + rate},0.9,a paper" for codec in range(12) for rate in (0.1, 0.5, 3.0)]
    table.write_text("\n".join(["codec,bpp,psnr_rgb,ms_ssim,source", *lines]))
    figures.render(
        hostile_run.path, tmp_path, width=3.25, formats=["png"], dpi=50, style="neurips2024", published=table
    )
    assert caplog.text == ""
    few, many = (pixels(tmp_path / f"{name}.png").shape for name in ("full", "rd-psnr"))
    assert many[1] == few[1] == 162


def test_unknown_image_and_style_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="has no images mona"):
        figures.render(run.path, tmp_path, images=["mona"])
    with pytest.raises(ReportError, match="tueplots"):
        figures.render(run.path, tmp_path, style="nosuchvenue2024")
    with pytest.raises(ReportError, match="pdf, png"):
        figures.render(run.path, tmp_path, formats=["gif"])
    for size in ({"width": 0}, {"width": math.nan}, {"width": math.inf}, {"dpi": 0}, {"dpi": 10**9}):
        with pytest.raises(ReportError, match=r"need a (width|dpi) from"):
            figures.render(run.path, tmp_path, **size)
    with pytest.raises(ReportError, match="a side are the most"):
        figures.render(run.path, tmp_path, width=100, dpi=4800)
