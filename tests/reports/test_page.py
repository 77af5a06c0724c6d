import base64
import gzip
import hashlib
import json
import math
import re
import shutil
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
from PIL import Image as PillowImage

from isorate.errors import ReportError, RunError
from isorate.reports import assets, figures, frames, page, tables, text
from isorate.reports.frames import Frames
from isorate.reports.results import Comparison
from isorate.reports.summary import summarize
from isorate.runs.folder import Run

from .conftest import HOSTILE


class Text(HTMLParser):
    """What stands in a page: its text, its tags, every address it names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data-frame", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def rendered(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page.render(run.path, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def single(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page.render(run.path, tmp_path_factory.mktemp("single"), single_file=True)


@pytest.fixture(scope="module")
def hostile_html(hostile_run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page.render(hostile_run.path, tmp_path_factory.mktemp("hostile")).read_text("utf-8")


def tree(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_address_is_inside_or_beside_the_page(rendered: Path) -> None:
    addresses = Text(rendered.read_text("utf-8")).addresses
    assert len(addresses) > 50
    for address in addresses:
        assert address.startswith(("data:", "#")) or (rendered.parent / address).is_file(), address


def test_frames_are_the_runs_own_files(run: Run, rendered: Path) -> None:
    for row in run.rows():
        script = (rendered.parent / "frames" / f"{Path(row.decoded).name}.js").read_text()
        key, url = json.loads(f"[{script[len('isorateFrame(') : -len(');') - 1]}]")
        assert f"{key}.js" == f"frames/{Path(row.decoded).name}.js"
        assert base64.b64decode(url.partition(",")[2]) == (run.path / row.decoded).read_bytes()


def test_each_frame_is_there_once_and_its_preview_is_small(run: Run, rendered: Path) -> None:
    folder = rendered.parent
    names = [file for file in tree(folder) if "/" in file and not file.startswith("crops/")]
    frames_ = [name for name in names if not name.startswith("previews/")]
    assert len(frames_) == len(run.rows()) + len(run.manifest.image_names)
    for name in frames_:
        small = folder / "previews" / name.removesuffix(".js")
        with PillowImage.open(small) as picture:
            assert max(picture.size) <= frames.PREVIEW_SIDE
        assert small.stat().st_size < (folder / name).stat().st_size / 2


def test_values_and_the_best_stand_under_the_crops(run: Run, rendered: Path) -> None:
    html = rendered.read_text("utf-8")
    rows = [row for row in run.rows() if row.image == "astronaut" and row.point == "webp-quality10"]
    best = max(row.psnr or 0 for row in rows)
    for row in rows:
        value = f"{row.psnr:.4f}"
        assert (f"<strong>{value}</strong>" if row.psnr == best else f"<td>{value}</td>") in html


def test_default_folder_same_bytes_and_no_change_to_the_run(run: Run, rendered: Path, tmp_path: Path) -> None:
    before = tree(run.path)
    again = page.render(run.path, tmp_path)
    assert tree(run.path) == before
    assert tree(tmp_path) == tree(rendered.parent)
    assert again == tmp_path / "index.html"


def test_single_file_is_a_single_file(single: Path) -> None:
    assert list(tree(single.parent)) == ["index.html"]
    html = single.read_text("utf-8")
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL)[0])
    keys = {image["original"] for image in data["images"]}
    keys |= {cell["frame"] for image in data["images"] for point in image["points"] for cell in point["cells"]}
    assert keys == set(data["embedded"])


def test_a_single_file_holds_the_pictures_of_as_many_points_as_fit(
    run: Run, single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = len({row.point for row in run.rows()})
    images = len(run.manifest.image_names)
    all_of_them = single.read_text("utf-8")
    assert page.IN_FOLDER not in all_of_them
    comparison = Comparison(run)
    figures = [figure for image in comparison.images for figure in page._figures(comparison, image, [])]
    room = sum(page._size(figure) + len(figure["original"]) for figure in figures if figure["level"] == 0)
    monkeypatch.setattr(Frames, "room", room)
    one = page.render(run.path, tmp_path / "one", single_file=True).read_text("utf-8")
    assert page.IN_FOLDER in one
    assert one.count(': figures"') == images * (points - 1)
    assert one.count(", no pictures</option>") == points - 1
    assert re.search(r'<option value="0" selected>[^<,]*</option>', one)
    assert len(one) < len(all_of_them) / 2
    for row in run.rows():
        assert f"{row.psnr:.4f}" in one
    folder = page.render(run.path, tmp_path / "folder").read_text("utf-8")
    assert page.IN_FOLDER not in folder


def test_a_large_single_file_holds_previews(
    run: Run, single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = single.stat().st_size
    monkeypatch.setattr(frames, "LOSSLESS_BUDGET", 10_000)
    index = page.render(run.path, tmp_path / "small", single_file=True)
    html = index.read_text("utf-8")
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL)[0])
    assert not data["lossless"]
    assert len(data["embedded"]) == len(run.rows()) + len(run.manifest.image_names)
    assert "Previews: this page is a single file" in html
    held = [sum(map(len, data["embedded"].values())), index.stat().st_size]
    assert held[1] < whole - 0.5 * held[0]
    assert set(re.findall(r'data-frame="([^"]*)"', html)) <= set(data["embedded"])


def test_hostile_names_stay_text(hostile_html: str) -> None:
    parsed = Text(hostile_html)
    assert "alert('x')" not in "".join(re.findall(r"<script[^>]*>", hostile_html))
    assert parsed.tags.count("script") == 3
    assert HOSTILE in "".join(parsed.text)
    assert "<b>bold & 'quoted'</b>" in "".join(parsed.text)
    assert "failed: </script><img src=x>" in "".join(parsed.text)


def test_infinity_failure_and_undefined_are_said(hostile_html: str, rendered: Path) -> None:
    assert "<strong>∞</strong>" in hostile_html
    assert "<td>failed</td>" in hostile_html
    assert "– %" not in hostile_html
    assert "<td>n/d</td>" in rendered.read_text("utf-8")


def test_size_before_images(rendered: Path) -> None:
    html = re.sub(r"data:image/webp;base64,[\w+/=]+", "", rendered.read_text("utf-8"))
    assert len(html.encode()) < 400_000


def test_crops_past_the_budget_lie_beside_the_page(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "INLINE_BUDGET", 10_000)
    index = page.render(run.path, tmp_path)
    assert len(list((tmp_path / "crops").iterdir())) > 50
    test_every_address_is_inside_or_beside_the_page(index)


def test_published_curves_are_in_the_page(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "published.csv"
    table.write_text("codec,bpp,psnr_rgb,ms_ssim,source\nOther,0.2,30,,a paper\nOther,0.1,28,,a paper\n")
    html = page.render(run.path, tmp_path, published=table).read_text("utf-8")
    assert "Printed by others, not measured here" in html
    assert '"name": "Other", "points": [[0.1, 28.0, null, null], [0.2, 30.0, null, null]], "source": "a paper"' in html


@pytest.mark.parametrize("link", ["report", "report/frames", "report/previews/frames"])
def test_no_link_leads_out_of_the_report(run: Run, tmp_path: Path, link: str) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "run" / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "run" / link).symlink_to(outside)
    with pytest.raises(ReportError, match="is a link that leads out"):
        page.render(tmp_path / "run")
    assert list(outside.iterdir()) == []
    assert page.render(tmp_path / "run", tmp_path / "elsewhere").exists()


def test_empty_run_and_unwritable_folder_are_refused(run: Run, tmp_path: Path) -> None:
    empty = Run.create(tmp_path / "empty", run.manifest)
    with pytest.raises(ReportError, match="holds no rows yet"):
        page.render(empty.path)
    with pytest.raises(RunError):
        page.render(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        page.render(run.path, tmp_path / "file")


def test_unfinished_run_and_a_missing_anchor_still_render(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    part = Run.open(tmp_path / "run")
    part.remove_rows(
        row.key for row in part.rows() if row.codec == "webp" or (row.image, row.codec) == ("chelsea", "jpeg")
    )
    html = page.render(part.path).read_text("utf-8")
    assert "no result" in html
    assert "Unfinished run" in html
    assert "BD-rate" not in html
    assert "At the file sizes of" not in html
    for fmt in get_args(tables.Format):
        assert tables.render(part, fmt)
    assert figures.render(part.path, tmp_path / "figures", images=["chelsea"], formats=["png"], dpi=50)


def test_points_without_pictures_have_their_figures_and_nothing_lost(curve_run: Run, tmp_path: Path) -> None:
    html = page.render(curve_run.path, tmp_path).read_text("utf-8")
    assert len(list((tmp_path / "frames").iterdir())) == 12
    assert "Pictures missing" not in html
    assert html.count("a point for the curves, whose pictures the run does not keep") == 12
    assert re.search(r'<option value="1" selected>0\.\d{3} bpp: WebP at quality 30<', html)
    for row in curve_run.rows():
        assert f"{row.psnr:.4f}" in html
    made = figures.render(curve_run.path, tmp_path / "figures", images=["chelsea"], formats=["png"], dpi=50)
    names = [path.name for path in made]
    assert names[:3] == ["crops-chelsea-webp-quality30.png", "whole-chelsea-webp-quality30.png", "full.png"]


def test_every_row_can_be_had_as_csv(run: Run, rendered: Path, single: Path) -> None:
    assert (rendered.parent / "rows.csv").read_text("utf-8") == tables.render(run, "csv")
    html = single.read_text("utf-8")
    inside = re.findall(r'href="data:text/csv;base64,([A-Za-z0-9+/=]+)" download="rows.csv"', html)
    assert [base64.b64decode(data).decode() for data in inside] == [tables.render(run, "csv")]


def test_a_single_file_holds_its_rows_once_and_in_the_room_that_it_has(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tables.render(run, "csv")

    def render(name: str) -> str:
        return page.render(run.path, tmp_path / name, single_file=True).read_text("utf-8")

    monkeypatch.setattr(frames, "PLAIN_TEXT_BUDGET", len(rows) - 1)
    small = render("compressed")
    address = r'href="data:application/gzip;base64,([A-Za-z0-9+/=]+)" download="rows.csv.gz"'
    (packed,) = (base64.b64decode(data) for data in re.findall(address, small))
    assert gzip.decompress(packed).decode() == rows
    assert small == render("again")

    monkeypatch.setattr(frames, "TEXT_BUDGET", len(packed) - 1)
    without = render("without")
    assert "rows.csv" not in without
    assert re.search(r'<p id="rows">Every row as CSV is more than a single file holds: .*isorate table', without)
    folder = page.render(run.path, tmp_path / "folder")
    assert (folder.parent / "rows.csv").read_text("utf-8") == rows
    assert re.search(r'<p id="rows"><a href="rows.csv" download="rows.csv">', folder.read_text("utf-8"))


def test_rows_and_pictures_of_a_single_file_share_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    single = Frames(None)
    assert single.room == frames.SINGLE_FILE_BUDGET
    single.add_text("rows.csv", "1,2\n" * 100, "text/csv")
    assert single.room == frames.SINGLE_FILE_BUDGET - 400
    monkeypatch.setattr(frames, "PLAIN_TEXT_BUDGET", 1000)
    text = "".join(map(str, range(10000)))
    assert single.add_text("more.csv", text, "text/csv")
    assert single.room == frames.SINGLE_FILE_BUDGET - 400 - len(gzip.compress(text.encode(), mtime=0))


def test_a_page_in_its_run_links_to_the_files(run: Run, rendered: Path, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    index = page.render(tmp_path / "run")
    linked = [address for address in Text(index.read_text("utf-8")).addresses if address.startswith("../")]
    assert len(linked) == len(run.rows())
    streams = {(tmp_path / "run" / row.stream).resolve() for row in run.rows()}
    assert {(index.parent / unquote(address)).resolve() for address in linked} == streams
    assert page.render(tmp_path / "run", tmp_path / "run" / "report").read_bytes() == index.read_bytes()
    for moved in (rendered, page.render(tmp_path / "run", single_file=True)):
        assert 'href="../' not in moved.read_text("utf-8")


def test_ms_ssim_has_its_other_form_in_decibels(run: Run, rendered: Path) -> None:
    html = rendered.read_text("utf-8")
    rows = [row for row in run.rows() if row.image == "astronaut" and row.point == "webp-quality10"]
    for row in rows:
        assert row.ms_ssim is not None
        in_db = f"{-10 * math.log10(1 - row.ms_ssim):.2f}"
        assert re.search(rf' data-db="{in_db}">{row.ms_ssim:.4f}</(span|strong)>', html)
        assert f', {in_db}">{row.bpp:.4f}, {row.psnr:.4f}, {row.ms_ssim:.4f}</span>' in html
    comparison = Comparison(run)
    for some in summarize(comparison, comparison.levels()[0]):
        assert some.ms_ssim is not None
        assert f'data-db="{-10 * math.log10(1 - some.ms_ssim):.2f}">{some.ms_ssim:.4f}</span>' in html
        if (gap := some.difference_ms_ssim_db) is not None:
            assert f'data-db="{text.number(gap.mean, 2, sign=True)}"' in html


def test_a_run_of_one_point_has_no_curves(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    Run.open(tmp_path / "run").remove_rows(row.key for row in run.rows() if row.point != "webp-quality30")
    html = page.render(tmp_path / "run").read_text("utf-8")
    assert 'id="curves"' not in html
    assert 'href="#curves"' not in html
    assert "BD-rate" not in html
    assert "At the file sizes of WebP" in html


@pytest.mark.parametrize("folder", [assets.STATIC, Path(__file__).parent / "data"])
def test_vendored_files_are_the_ones_recorded(folder: Path) -> None:
    for package in tomllib.loads((folder / "vendored.toml").read_text("utf-8"))["package"]:
        assert (folder / package["licence_file"]).read_text("utf-8").strip()
        for name, about in package["files"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == about["sha256"], name


def test_every_library_is_recorded() -> None:
    recorded = {name for package in assets.vendored() for name in package["files"]}
    assert recorded == {name for name in (*assets.LIBRARIES, *assets.STYLES) if name not in ("page.css", "viewer.css")}


def test_every_script_is_used() -> None:
    assert {file.name for file in assets.STATIC.glob("*.js")} == {*assets.LIBRARIES, *assets.SCRIPTS}
