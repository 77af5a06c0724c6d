"""A report of many images: pictures of a sample, numbers of all, and no more in memory than a few images."""

import gc
import inspect
import json
import re
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from isorate.cli.report import report
from isorate.errors import ReportError
from isorate.image import Image
from isorate.reports import assets, crops, spread
from isorate.reports import in_order as streaming
from isorate.reports import page as pages
from isorate.reports import sample as samples
from isorate.reports.frames import Frames
from isorate.reports.results import Comparison, ImageInfo
from isorate.reports.summary import summarize
from isorate.run_results import RunResults
from isorate.runs.folder import Run
from isorate.runs.manifest import MetricEntry
from isorate.runs.row import Row

from .conftest import HOSTILE, Watched, eventually, make_run, photographs

COUNT = 12
POINT = "webp-quality20"
SPREAD = '<table class="numbers spread">'


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twelve small pictures; one cell failed, and one image has a hostile name."""
    source = photographs()["astronaut"]
    names = [HOSTILE, *(f"p{at:02}" for at in range(1, COUNT))]
    images: dict[str, Image] = {
        name: source[14 * at : 14 * at + 64, 12 * at : 12 * at + 80] for at, name in enumerate(names)
    }
    made = make_run(tmp_path_factory.mktemp("runs") / "many", images, (20, 60))
    row = next(row for row in made.rows() if row.key == ("p05", POINT, "jpeg"))
    made.write_row(Row.from_json({**row.to_json(), "status": "failed: no", "stream": "", "decoded": "", "psnr": None}))
    return made


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let twelve images be many."""
    monkeypatch.setattr(pages, "HELD", 3)
    monkeypatch.setattr(pages, "MANY", 5)


def gains(run: Run, codec: str) -> dict[str, float]:
    """Return a codec's PSNR above the anchor's for each image."""
    psnr = {row.key: row.psnr for row in run.rows() if row.point == POINT and row.ok}
    return {
        name: (psnr[name, POINT, codec] or 0) - (psnr[name, POINT, "webp"] or 0)
        for name in run.manifest.image_names
        if (name, POINT, codec) in psnr
    }


def test_the_sample_has_the_ends_the_middle_and_what_failed(many: Run) -> None:
    comparison = Comparison(many)
    shown = samples.choose(comparison, 9)
    names = [image.name for image in shown.images]
    assert names == [image.name for image in comparison.images if image.name in names]
    assert len(names) == 9
    for codec in ("jpeg", "jpeg2000"):
        by = gains(many, codec)
        ranked = sorted(by, key=lambda name: by[name])
        assert {ranked[0], ranked[-1], ranked[(len(ranked) - 1) // 2]} <= set(names)
    assert "p05" in names
    best = samples.best_gaps(comparison, comparison.levels()[0])
    assert samples.from_the_middle(best)[0] in names
    psnr: dict[str, list[float]] = {}
    for row in many.rows():
        if row.point == POINT and row.psnr is not None:
            psnr.setdefault(row.image, []).append(row.psnr)
    assert max(psnr, key=lambda name: max(psnr[name]) - min(psnr[name])) in names


def test_no_more_images_than_asked_for_are_all_shown(many: Run) -> None:
    comparison = Comparison(many)
    assert samples.choose(comparison, COUNT) == samples.Sample(comparison.images)
    for count in range(1, COUNT):
        assert len(samples.choose(comparison, count).images) == count


def test_the_images_can_be_named(many: Run, tmp_path: Path) -> None:
    html = pages.render(many, tmp_path, images=["p07", "p03"]).read_text("utf-8")
    assert re.findall(r'<h3 id="image-\d+-title">(.*?)</h3>', html) == ["p03", "p07"]
    assert f"Pictures of 2 of {COUNT} images, chosen by name" in html
    with pytest.raises(ReportError, match="has no images p99"):
        pages.render(many, tmp_path, images=["p99"])


def test_the_command_and_scripts_have_the_same_default() -> None:
    for call in (report, RunResults.report, pages.render):
        assert inspect.signature(call).parameters["sample"].default == samples.SAMPLE


@pytest.mark.usefixtures("few_at_once")
def test_numbers_are_of_all_images_and_pictures_of_the_sample(many: Run, tmp_path: Path) -> None:
    index = pages.render(many, tmp_path / "few", sample=4)
    html = index.read_text("utf-8")
    assert f"Pictures of 4 of {COUNT} images, chosen by PSNR at webp-quality20: for each codec" in html
    assert f"3 codecs on {COUNT} images" in html
    assert f", {COUNT} images." in html
    comparison = Comparison(many)
    for some in summarize(comparison, comparison.levels()[0]):
        assert f"{some.psnr:.2f}" in html
    assert len(list((index.parent / "originals").iterdir())) == 4
    assert len((index.parent / "rows.csv").read_text().splitlines()) == 1 + len(many.rows())
    whole = pages.render(many, tmp_path / "all").read_text("utf-8")
    assert "Pictures of" not in whole
    tables = r'<table class="numbers (?:summary|spread)">.*?</table>'
    assert re.findall(tables, html, re.DOTALL) == re.findall(tables, whole, re.DOTALL)


@pytest.mark.usefixtures("few_at_once")
def test_rows_and_texts_lie_beside_the_page(many: Run, tmp_path: Path) -> None:
    index = pages.render(many, tmp_path)
    html = index.read_text("utf-8")
    assert '<script type="text/html"' not in html
    assert 'class="thumbs"' in html
    assert "<li data-image" not in html
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL)[0])
    assert data["images"] is None
    key, images = handed_over(tmp_path / "images.js")
    assert key == "images"
    assert [image["name"] for image in images] == list(many.manifest.image_names)
    for number, name in enumerate(many.manifest.image_names):
        key, article = handed_over(tmp_path / "articles" / f"{number}.js")
        assert key == f"articles/{number}"
        row = next(row for row in many.rows() if row.key == (name, POINT, "jpeg2000"))
        assert f"{row.psnr:.4f}" in article
        assert "<script" not in article
    single = pages.render(many, tmp_path / "single", single_file=True).read_text("utf-8")
    assert single.count('<script type="text/html" data-article=') == COUNT


def handed_over(script: Path) -> list[Any]:
    text = script.read_text("utf-8")
    assert text.startswith("isorateFrame(")
    found: list[Any] = json.loads(f"[{text[len('isorateFrame(') : -len(');') - 1]}]")
    return found


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("named", [[], [f"p{at:02}" for at in range(1, COUNT)]], ids=["all", "by name"])
def test_a_single_file_has_the_pictures_of_the_images_that_tell_most(
    many: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str], count: int
) -> None:
    comparison = Comparison(many)
    level = samples.first_pictured(comparison.levels())
    wanted = samples.choose(comparison, COUNT, named).images
    first = [image.name for image in samples.telling_first(comparison, wanted)][:count]
    figures = pages._figures
    held = [
        figure
        for name in first
        for figure in figures(comparison, next(image for image in wanted if image.name == name), [])
        if figure["point"] == level.point_of[name]
    ]
    made: list[str] = []

    def watched(comparison: Comparison, image: ImageInfo, pinned: list[crops.Box]) -> Iterator[dict[str, Any]]:
        made.append(image.name)
        return figures(comparison, image, pinned)

    monkeypatch.setattr(pages, "_figures", watched)
    room = sum(pages._size(figure) + len(figure["original"]) for figure in held)
    monkeypatch.setattr(Frames, "room", room)
    html = pages.render(many, tmp_path, single_file=True, images=named).read_text("utf-8")
    titles = re.findall(r'<h3 id="image-\d+-title">(.*?)</h3>', html)
    assert titles == [str(escape(name)) for name in many.manifest.image_names if name in first]
    assert f"Pictures of {count} of {COUNT} images, chosen by {'name' if named else 'PSNR'}" in html
    assert f"has room for no more, and those of {len(wanted) - count} further images are in the folder" in html
    assert len(made) <= count + 1 + streaming.WORKERS
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL)[0])
    pictured = [point["pictures"] for image in data["images"] for point in image["points"] if point["level"] == 0]
    assert pictured == [True] * count
    monkeypatch.setattr(Frames, "room", 100 * room)
    whole = pages.render(many, tmp_path, single_file=True, images=named).read_text("utf-8")
    assert "has room for no more" not in whole
    assert len(re.findall(r'<h3 id="image-\d+-title">', whole)) == len(wanted)


@pytest.mark.usefixtures("few_at_once")
def test_quantiles_are_those_of_the_images(many: Run, tmp_path: Path) -> None:
    comparison = Comparison(many)
    found = {some.key: some for some in spread.spreads(comparison, comparison.levels()[0])}
    assert "ms_ssim" not in found  # the pictures are too small for it
    for line in found["psnr"].lines:
        by = sorted(gains(many, line.column.codec).values())
        assert line.count == len(by)
        assert (line.quantiles[0], line.quantiles[50], line.quantiles[100]) == pytest.approx(
            (by[0], float(np.median(by)), by[-1])
        )
    assert pages.render(many, tmp_path).read_text("utf-8").count(SPREAD) == 2


def test_what_is_held_equal_has_no_distribution_and_what_is_called_like_it_has(
    many: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def gaps(_: object, key: str, tolerance: float) -> list[float]:
        asked.append(key)
        return []

    monkeypatch.setattr(spread, "_gaps", gaps)
    entries = tuple(map(MetricEntry.of, ("psnr_y", "ssim")))
    manifest = replace(many.manifest, match="psnr", tolerance_quality=0.02, more_metrics=entries)
    comparison = Comparison(Run(many.path, manifest))
    assert spread.spreads(comparison, comparison.levels()[0]) == []
    assert list(dict.fromkeys(asked)) == ["bytes", "ms_ssim", "ms_ssim_db", "psnr_y", "ssim"]


def test_a_page_of_few_images_has_no_distributions(many: Run, tmp_path: Path) -> None:
    assert SPREAD not in pages.render(many, tmp_path).read_text("utf-8")


def test_only_a_few_images_are_in_memory_at_a_time(many: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: set[int] = set()
    most = 0
    lock = threading.Lock()
    read = Run.original

    def watched(run: Run, image: str) -> Image:
        nonlocal most
        pixels = read(run, image)
        with lock:
            alive.add(id(pixels))
            most = max(most, len(alive))
        weakref.finalize(pixels, alive.discard, id(pixels))
        return pixels

    monkeypatch.setattr(Run, "original", watched)
    pages.render(many, tmp_path)
    gc.collect()
    assert alive == set()
    # each thread has the picture of the page and that of the boxes
    assert 0 < most <= 2 * streaming.WORKERS < COUNT


def test_no_more_is_made_than_is_taken() -> None:
    made: list[int] = []

    def work(item: int) -> int:
        made.append(item)
        return item

    def taken() -> Iterator[int]:
        for value in streaming.in_order(work, range(100), workers=3):
            assert len(made) <= value + 3
            yield value

    assert list(taken()) == list(range(100))


def test_a_failure_ends_the_work() -> None:
    made: list[int] = []

    def work(item: int) -> int:
        made.append(item)
        if item == 5:
            raise ValueError("five")
        return item

    with pytest.raises(ValueError, match="five"):
        list(streaming.in_order(work, range(1000), workers=2))
    assert len(made) < 20


def test_pictures_are_written_as_they_come(many: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[int] = []
    image = pages._image

    def counted(*about: Any) -> Any:
        made = image(*about)
        there.append(len(list((tmp_path / "originals").iterdir())))
        assert not any(isinstance(value, bytes) for figure in made["figures"] for value in flat(figure))
        return made

    monkeypatch.setattr(pages, "_image", counted)
    pages.render(many, tmp_path)
    assert there == list(range(1, COUNT + 1))


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for some in value:
            yield from flat(some)
    else:
        yield value


class TestInABrowser:
    pytestmark = pytest.mark.browser

    @pytest.fixture
    def address(self, many: Run, tmp_path: Path, few_at_once: None) -> str:
        return pages.render(many, tmp_path).as_uri()

    def test_an_image_opens_from_beside_the_page(self, watched: Watched, address: str, many: Run) -> None:
        page = watched.open(f"{address}#image-0")
        eventually(page, lambda: page.locator("#opened h3").all_text_contents(), [HOSTILE])
        sources = "[...document.querySelectorAll('#opened .full img, #opened .point:not([hidden]) .crop img')]"
        eventually(page, lambda: page.evaluate(f"{sources}.every((image) => image.complete && image.naturalWidth)"))
        page.keyboard.press("]")
        eventually(page, lambda: page.locator("#opened h3").all_text_contents(), ["p01"])
        page.locator("#opened .crop:visible").first.click()
        page.wait_for_selector("#viewer[open]")
        page.keyboard.press("Escape")
        page.locator("#opened-close").click()
        eventually(page, lambda: page.locator(".thumbs li").count(), COUNT)
        page.select_option("#overview-sort", "most")
        by = gains(many, "jpeg2000")
        first = page.locator(".thumbs b").all_text_contents()[:1]
        assert first[0] in by
        page.locator("#overview-all").click()
        eventually(page, lambda: page.locator("#opened article").count(), COUNT)

    def test_thumbnails_come_in_parts(
        self, watched: Watched, many: Run, tmp_path: Path, few_at_once: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(assets, "scripts", shorter(assets.scripts()))
        page = watched.open(pages.render(many, tmp_path).as_uri())
        thumbs = page.locator(".thumbs li")
        eventually(page, thumbs.count, 5)
        page.locator("#overview-more").click()
        eventually(page, thumbs.count, 10)
        assert page.evaluate("document.activeElement.closest('li').dataset.image") == "5"
        assert "Show 2 more of 2 further images" in page.locator("#overview-more").inner_text()
        page.fill("#overview-name", "p0")
        eventually(page, thumbs.count, 9)
        assert not page.locator("#overview-more").is_visible()

    def test_distributions_are_drawn_and_follow_the_point(self, watched: Watched, address: str) -> None:
        page = watched.open(address)
        eventually(page, lambda: page.locator("#spreads canvas").count(), 1)
        assert page.locator("#spreads .legend li").all_text_contents() == ["JPEG2000", "JPEG"]
        assert page.locator("table.spread:visible").count() == 1
        page.select_option("#level", "1")
        eventually(page, lambda: page.locator("table.spread:visible caption").inner_text()[:14], "webp-quality60")
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_function(f"() => document.documentElement.scrollWidth <= {width}")

    def test_without_its_rows_the_page_says_so(self, browser: Any, address: str, tmp_path: Path) -> None:
        (tmp_path / "images.js").unlink()
        one = Watched(browser)
        page = one.open(address)
        eventually(page, lambda: "images.js is missing" in page.locator("#overview-hint").inner_text())
        assert page.locator("table.summary:visible").count() == 1
        one.context.close()

    def test_the_sentences_follow_ms_ssim_in_decibels(self, watched: Watched, run: Run, tmp_path: Path) -> None:
        page = watched.open(pages.render(run, tmp_path).as_uri())
        said = page.locator(".found li:visible")
        before = said.all_text_contents()
        page.locator("#decibels").check()
        comparison = Comparison(run)
        gaps = {some.column.label: some.difference_ms_ssim_db for some in summarize(comparison, comparison.levels()[0])}
        for text in said.all_text_contents():
            gap = gaps[text.partition(" is ")[0]]
            assert gap is not None
            assert re.search(r"dB\b.*? it in MS-SSIM", text.partition("in PSNR")[2])
            assert (f"{abs(gap.mean):.2f} dB" if gap.clear else f"{gap.low:+.2f}".replace("-", "−")) in text
        page.locator("#decibels").uncheck()
        assert said.all_text_contents() == before


def shorter(scripts: Any) -> Any:
    """Return the scripts with few thumbnails at a time."""
    assert "const LISTED = 200;" in scripts
    return lambda: type(scripts)(scripts.replace("const LISTED = 200;", "const LISTED = 5;"))
