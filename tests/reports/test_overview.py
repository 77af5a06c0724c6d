"""Many images: an overview of thumbnails, sorted and filtered, and one image opened at a time."""

import re
from pathlib import Path
from typing import Any

import pytest

from isorate.image import Image
from isorate.reports import page as pages
from isorate.runs.folder import Run
from isorate.runs.row import Row

from .conftest import HOSTILE, Watched, eventually, make_run, photographs

pytestmark = pytest.mark.browser
NAMES = ["b-2", "b-10", "a", HOSTILE, "c", "d", "e", "f"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eight small pictures at two points; one cell failed."""
    source = photographs()["astronaut"]
    images: dict[str, Image] = {
        name: source[20 * at : 20 * at + 72, 12 * at : 12 * at + 96] for at, name in enumerate(NAMES)
    }
    made = make_run(tmp_path_factory.mktemp("runs") / "many", images, (20, 60), tolerance_pct=20)
    row = row_of(made, "c", "webp-quality20", "jpeg")
    made.write_row(Row.from_json({**row.to_json(), "status": "failed: no", "stream": "", "decoded": "", "psnr": None}))
    return made


def row_of(run: Run, image: str, point: str, codec: str) -> Row:
    return next(row for row in run.rows() if row.key == (image, point, codec))


def gains(run: Run, point: str = "webp-quality20", codec: str = "jpeg2000") -> dict[str, float]:
    """Return a codec's PSNR above the anchor's for each image."""
    found = {}
    for name in NAMES:
        ours, anchor = (row_of(run, name, point, some) for some in (codec, "webp"))
        assert ours.psnr is not None
        assert anchor.psnr is not None
        if abs(ours.residual_pct or 0) <= run.manifest.tolerance_pct:
            found[name] = ours.psnr - anchor.psnr
    return found


@pytest.fixture(scope="module")
def address(many: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return pages.render(many, tmp_path_factory.mktemp("page")).as_uri()


def names(page: Any) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.thumbs li:not([hidden]) b')].map((node) => node.textContent)"
    )
    return found


def test_the_images_stand_in_the_page_as_texts(many: Run, tmp_path: Path) -> None:
    html = pages.render(many, tmp_path).read_text("utf-8")
    articles = re.findall(r'<script type="text/html" data-article="\d+">(.*?)</script>', html, re.DOTALL)
    assert len(articles) == len(NAMES)
    for name, article in zip(NAMES, articles, strict=True):
        for codec in ("webp", "jpeg2000"):
            assert f"{row_of(many, name, 'webp-quality20', codec).psnr:.4f}" in article
    assert "<article" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    for address in re.findall(r'src="([^"]+)"', "".join(articles)):
        assert address.startswith("data:") or (tmp_path / address).is_file()


def test_it_is_sorted_by_difference(watched: Watched, address: str, many: Run) -> None:
    page = watched.open(address)
    assert names(page) == NAMES
    by = gains(many)
    for name, gain in by.items():
        value = page.locator(".thumbs li").nth(NAMES.index(name)).locator(".value").inner_text()
        assert value == f"{gain:+.2f} dB".replace("-", "−")
    assert len(by) > 3
    ranked = sorted(by, key=lambda name: -by[name])
    page.select_option("#overview-sort", "most")
    assert names(page)[: len(by)] == ranked
    page.select_option("#overview-sort", "least")
    assert names(page)[: len(by)] == ranked[::-1]
    page.select_option("#overview-sort", "apart")
    assert names(page)[: len(by)] == sorted(by, key=lambda name: -abs(by[name]))
    page.select_option("#overview-sort", "name")
    assert [name for name in names(page) if name != HOSTILE] == ["a", "b-2", "b-10", "c", "d", "e", "f"]
    page.select_option("#level", "1")
    page.select_option("#overview-sort", "most")
    by = gains(many, "webp-quality60")
    assert names(page)[: len(by)] == sorted(by, key=lambda name: -by[name])


def test_it_is_filtered(watched: Watched, address: str, many: Run) -> None:
    page = watched.open(address)
    by = gains(many)
    hint, dash = page.locator("#overview-hint"), "– where one has no value at equal rate"
    assert (dash in hint.inner_text()) == ("–" in page.locator(".thumbs .value").all_inner_texts())
    page.select_option("#overview-filter", "above")
    assert names(page) == [name for name in NAMES if by.get(name, 0) > 0]
    page.select_option("#overview-filter", "below")
    assert names(page) == [name for name in NAMES if by.get(name, 0) < 0]
    page.select_option("#overview-filter", "failed")
    assert names(page) == []
    assert page.locator("#overview-count").inner_text() == "0 of 8 images"
    page.select_option("#overview-one", label="JPEG")
    assert names(page) == ["c"]
    assert dash in hint.inner_text()
    page.select_option("#overview-filter", "missed")
    missed = [name for name in NAMES if abs(row_of(many, name, "webp-quality20", "jpeg").residual_pct or 0) > 20]
    assert [name for name in names(page) if name != "c"] == [name for name in missed if name != "c"]
    page.select_option("#overview-filter", "all")
    page.fill("#overview-name", "B-")
    assert names(page) == ["b-2", "b-10"]


def test_one_image_is_open_at_a_time(watched: Watched, address: str) -> None:
    page = watched.open(address)
    assert page.locator("article").count() == 0
    page.select_option("#overview-sort", "most")
    order = names(page)
    page.locator(".thumbs a:visible").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    opened = page.locator("#opened article h3")
    eventually(page, opened.all_text_contents, [order[0]])
    assert not page.locator("#overview").is_visible()
    assert page.locator("#opened .crops:visible").count() == 1
    assert page.locator("#opened-before").is_disabled()
    for name in order[1:3]:
        page.keyboard.press("]")
        eventually(page, opened.all_text_contents, [name])
    page.keyboard.press("[")
    eventually(page, opened.all_text_contents, [order[1]])
    page.go_back()
    eventually(page, opened.all_text_contents, [order[2]])
    number = page.evaluate("location.hash")
    page.select_option("#level", "1")
    assert page.locator("#opened .crops:visible caption").inner_text() == "webp-quality60"
    page.locator("#opened .crop:visible").nth(1).click()
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("Escape")
    eventually(page, lambda: page.locator("#viewer").is_visible(), False)
    eventually(page, lambda: page.evaluate("location.hash"), number)
    page.locator("#opened details.traces:visible summary").click()
    eventually(page, lambda: page.locator("#opened details.traces:visible table").count() > 0)
    page.locator("#opened h3").focus()
    page.keyboard.press("Escape")
    eventually(page, lambda: page.locator("#overview").is_visible())
    assert page.locator("article").count() == 0
    assert page.evaluate("document.activeElement.querySelector('b').textContent") == order[2]


@pytest.mark.parametrize("single_file", [False, True], ids=["folder", "single file"])
def test_pictures_of_an_opened_image_come(watched: Watched, many: Run, tmp_path: Path, single_file: bool) -> None:
    page = watched.open(f"{pages.render(many, tmp_path, single_file=single_file).as_uri()}#image-3")
    eventually(page, lambda: page.locator("#opened h3").all_text_contents() == [HOSTILE])
    sources = "[...document.querySelectorAll('#opened .full img, #opened .point:not([hidden]) .crop img')]"
    eventually(page, lambda: page.evaluate(f"{sources}.every((image) => image.complete && image.naturalWidth > 0)"))
    assert page.evaluate(f"{sources}.length") == 1 + 2 * 4


def test_all_that_are_listed_open_and_print(watched: Watched, address: str) -> None:
    page = watched.open(address)
    page.fill("#overview-name", "b-")
    page.locator("#overview-all").click()
    assert page.locator("article h3").all_text_contents() == ["b-2", "b-10"]
    page.fill("#overview-name", "b-1")
    assert page.locator("article h3").all_text_contents() == ["b-10"]
    page.emulate_media(media="print")
    assert not page.locator("#overview .controls").is_visible()
    assert page.locator("article h3").all_text_contents() == ["b-10"]
    page.emulate_media(media="screen")
    page.locator("#overview-all").click()
    assert page.locator("article").count() == 0


def test_it_is_not_wider_than_the_window(watched: Watched, address: str) -> None:
    page = watched.open(address)
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(f"() => document.documentElement.scrollWidth <= {width}")
        tops = page.evaluate("[...document.querySelectorAll('.thumbs a')].map((node) => node.offsetTop)")
        columns = tops.count(tops[0])
        assert columns > 1
        page.locator(".thumbs a").first.focus()
        page.keyboard.press("ArrowDown")
        focused = "[...document.querySelectorAll('.thumbs a')].indexOf(document.activeElement)"
        assert page.evaluate(focused) == (columns if columns < len(NAMES) else 0)
        page.evaluate("location.hash = 'image-0'")
        page.wait_for_selector("#opened article")
        page.wait_for_function(f"() => document.documentElement.scrollWidth <= {width}")
        page.locator("#opened-close").click()
