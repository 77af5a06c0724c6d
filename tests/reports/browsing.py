"""A page in a real browser, with everything that it complained of or asked for."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--disable-component-update",
]


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser; without one, or without Playwright, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        yield (browser := playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS))
        browser.close()


class Watched:
    """A page with everything it complained of or asked for."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None,
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        self.page.wait_for_function("() => document.documentElement.classList.contains('scripted')")
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.errors == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def eventually(page: Any, read: Callable[[], object], expected: object = True) -> None:
    """Hold `read()` against `expected` as soon as they agree: a page answers keys and clicks some frames later."""
    until = time.monotonic() + 10
    while (found := read()) != expected and time.monotonic() < until:
        page.wait_for_timeout(20)
    assert found == expected


def settle(page: Any) -> None:
    """Let the page do what it should not do."""
    page.wait_for_timeout(200)


def fragment(page: Any) -> dict[str, str]:
    found: dict[str, str] = page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")
    return found
