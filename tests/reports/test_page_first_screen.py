"""What a reader sees before scrolling, and points that have no pictures, in a real browser."""

from typing import Any

import pytest

from isorate.reports import page as pages
from isorate.runs.folder import Run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def expect(browser: Any) -> Any:
    """Playwright's, which every test process would load if it stood at the top of this file."""
    from playwright.sync_api import expect

    return expect


@pytest.fixture(scope="module")
def address(curve_run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return pages.render(curve_run.path, tmp_path_factory.mktemp("page")).as_uri()


def opened(browser: Any, address: str, width: int, height: int) -> Any:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.wait_for_function("() => document.documentElement.classList.contains('scripted')")
    return page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_first_screen_says_what_was_found(browser: Any, expect: Any, address: str, width: int, height: int) -> None:
    page = opened(browser, address, width, height)
    sentence = page.locator(".found li:visible").first
    expect(sentence).to_contain_text("WebP in PSNR")
    expect(sentence).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if width > 1000:
        expect(page.locator(".example img:visible").first).to_be_in_viewport(ratio=0.9)
    assert page.errors == []
    page.close()


def test_a_point_without_pictures_shows_its_figures_and_opens_none(browser: Any, expect: Any, address: str) -> None:
    page = opened(browser, address, 1440, 900)
    expect(page.locator("#level")).to_have_value("1")
    page.select_option("#level", "0")
    shown = page.locator("#image-0 .crops:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("whose pictures the run does not keep")
    expect(shown.locator("img")).to_have_count(0)
    page.locator("#image-0 [data-open]:visible").first.click()
    page.wait_for_function("() => document.getElementById('viewer').open")
    expect(page.locator("#viewer-status")).to_contain_text("WebP")
    assert page.evaluate("new URLSearchParams(location.hash.slice(1)).get('point')") == "webp-quality30"
    assert page.errors == []
    page.close()
