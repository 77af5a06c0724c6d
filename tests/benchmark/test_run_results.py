"""What a script gets from a run: data frame, curves, plot, page; images as arrays, files and folders."""

import math
import subprocess
import sys
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isorate
from isorate.codecs.jpeg import Jpeg
from isorate.engine.reproduce import Outcome, reproduce
from isorate.errors import DatasetError, ImageError, ReportError
from isorate.gate.accept import write_baseline
from isorate.image import Image
from isorate.reports import figures, page, tables
from isorate.reports.compare_runs import compare_runs
from isorate.run_results import RunResults
from isorate.runs.folder import Run
from isorate.runs.row import Row

POINTS = ["quality=10", "quality=40"]


@pytest.fixture
def run(photo: Image, tmp_path: Path, in_process: Executor) -> RunResults:
    return isorate.run(
        {"photo": photo}, tmp_path / "run", codecs=[Jpeg(chroma="444")], anchor=Jpeg(), points=POINTS,
        executor=in_process,
    )  # fmt: skip


def test_the_frame_has_the_csvs_columns_with_numbers_as_numbers(run: RunResults) -> None:
    frame = run.frame()
    assert list(frame.columns) == [*tables.render(run, "csv").splitlines()[0].split(","), "class"]
    assert list(frame["class"]) == [None] * 4
    assert len(frame) == 4
    rows = run.rows()
    assert list(frame["psnr"]) == [row.psnr for row in rows]
    assert str(frame["psnr"].dtype) == str(frame["lmbda"].dtype) == "float64"
    assert frame["lmbda"].isna().all()
    assert str(frame["num_bytes"].dtype) == "Int64"
    assert frame.groupby("codec")["psnr"].mean().idxmax() in ("jpeg", "jpeg:chroma=444")
    assert {*tables.COLUMNS, "metrics", "neighbour", "equal_rate", "quality"} == set(Row.__dataclass_fields__)


def test_a_failed_row_has_no_numbers_and_an_identical_picture_an_infinite_one(run: RunResults) -> None:
    first, second, *_ = run.rows()
    run.write_row(replace(first, psnr=math.inf))
    run.write_row(Row(image=second.image, width=1, height=1, image_sha256="", codec=second.codec, label="JPEG",
                      point=second.point, status="failed: why"))  # fmt: skip
    frame = run.frame()
    assert frame["psnr"][0] == math.inf
    assert math.isnan(frame["psnr"][1])
    assert frame["num_bytes"].isna()[1]


def test_without_pandas_the_remedy_is_named(run: RunResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ReportError, match=r"pip install 'isorate\[pandas\]'"):
        run.frame()


def test_curves_and_plots_of_the_means_and_of_an_image(run: RunResults) -> None:
    for curve in (*run.curves(), *run.curves("photo")):
        assert [point.psnr for point in curve.points] == sorted(point.psnr or 0 for point in curve.points)
    figure: Any = run.plot("ms_ssim", image="photo", width=4)
    assert figure.axes[0].get_ylabel() == "MS-SSIM"
    assert [line.get_label() for line in figure.axes[0].lines] == [curve.name for curve in run.curves()]
    assert figure._repr_png_().startswith(b"\x89PNG")
    decibels: Any = run.plot("ms_ssim_db", image="photo")
    assert decibels.axes[0].get_ylabel() == "MS-SSIM (dB)"
    for line, plain in zip(decibels.axes[0].lines, figure.axes[0].lines, strict=True):
        assert list(line.get_ydata()) == pytest.approx([-10 * math.log10(1 - value) for value in plain.get_ydata()])
    with pytest.raises(ReportError, match="has no images other; it has photo"):
        run.curves("other")
    with pytest.raises(ReportError, match="metric 'vmaf'"):
        run.plot("vmaf")


def test_the_page_and_the_glance(run: RunResults, tmp_path: Path) -> None:
    assert run.report() == run.path / "report" / "index.html"
    assert run.report(str(tmp_path / "page"), single_file=True).parent == tmp_path / "page"
    html = run._repr_html_()
    assert "At the file sizes of JPEG" in html
    assert "<td>" in html
    run.remove_rows(row.key for row in run.rows())
    assert "no rows yet" in isorate.open_run(run.path)._repr_html_()


def test_every_public_function_takes_a_run_and_its_folder(run: RunResults, tmp_path: Path) -> None:
    forms: tuple[Run | Path | str, ...] = (run, run.path, str(run.path))
    for at, some in enumerate(forms):
        assert tables.render(some, "csv") == tables.render(run, "csv")
        assert page.render(some, tmp_path / f"page{at}").exists()
        assert figures.render(some, str(tmp_path / f"figures{at}"), formats=["png"], dpi=50)
        assert compare_runs(some, run).codecs
        assert write_baseline(some, tmp_path / f"{at}.json", probe=False).rows
    assert isorate.open_run(str(run.path)).rows() == run.rows()


def test_a_folder_is_reproduced(run: RunResults, tmp_path: Path, in_process: Executor) -> None:
    again = reproduce(str(run.path), tmp_path / "again", executor=in_process)
    assert {item.outcome for item in again} == {Outcome.SAME_FILE}


def test_images_as_files_and_without_a_folder(two_photos: Path, photo: Image, in_process: Executor) -> None:
    files = sorted(two_photos.iterdir())
    how: dict[str, Any] = {"codecs": [], "anchor": "jpeg", "points": ["quality=20"], "executor": in_process}
    listed = isorate.run(files, **how)
    assert listed.manifest.image_names == ("astronaut", "coffee")
    one = isorate.run(str(files[1]), **how)
    assert one.manifest.image_names == ("coffee",)
    mixed = isorate.run({"b": photo, "a": files[0]}, **how)
    assert mixed.manifest.image_names == ("b", "a")
    assert {row.psnr for row in mixed.rows()} == {listed.rows()[0].psnr}  # the same picture, cut in the same place
    assert len({listed.path, one.path, mixed.path}) == 3


def test_a_temporary_run_goes_with_python(photo: Image, tmp_path: Path) -> None:
    script = (
        "import numpy as np, isorate\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "image = np.zeros((16, 16, 3), np.uint8)\n"
        "run = isorate.run({'a': image}, codecs=[], anchor='jpeg', points=['quality=9'],"
        " executor=ThreadPoolExecutor(1))\nassert run.path.is_dir()\nprint(run.path)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "no images"),
        ({"a": "x.png", "A": "y.png"}, "'a' and 'A'"),
        ({"": "x.png"}, "a text that is not empty"),
        ({"a": np.zeros((4, 4), np.uint8)}, r"shape \(4, 4\), uint8"),
        ({"a": np.zeros((4, 4, 3))}, "float64"),
        ({"a": np.zeros((0, 4, 3), np.uint8)}, r"\(0, 4, 3\)"),
    ],
)
def test_images_that_cannot_be_used_are_told(images: Any, message: str, in_process: Executor) -> None:
    with pytest.raises((DatasetError, ImageError), match=message):
        isorate.run(images, codecs=[], anchor="jpeg", executor=in_process)


SCRIPT = """
from dataclasses import dataclass

import numpy as np

import isorate
from isorate.codecs.jpeg import Jpeg

print("begun")
FOLDER, IMAGE = {folder!r}, np.asarray({image!r}, np.uint8)


@dataclass(frozen=True)
class Mine(Jpeg):
    name, label = "mine", "Mine"


run = isorate.run({{"a": IMAGE}}, FOLDER, codecs=[Mine(), "jpeg2000"], anchor=Jpeg(), points=["quality=50"], workers=1)
print([(row.codec, row.status) for row in run.rows()])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["script", "standard input"])
def test_a_script_needs_no_guard_and_its_own_class_takes_part(how: str, photo: Image, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.format(folder=str(tmp_path / "run"), image=photo[:20, :24].tolist()))
    given = {"args": [sys.executable, "-P", str(file)]} if how == "script" else {
        "args": [sys.executable, "-P", "-"], "input": file.read_text()
    }  # fmt: skip
    done = subprocess.run(**given, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["begun", str([("jpeg", "ok"), ("mine", "ok"), ("jpeg2000", "ok")])]
