"""Open pages of a platform in this process in a browser, and check that they are accessible and no wider than it."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from config.web.application import WebApplication
from tests.config.web.server import serving
from tests.threads import ClosingThreads
from webhooks.kit.fair.threads import request_threads

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# All rules of these tags. Details of what passes, which are thousands of elements, are neither collected nor sent here.
AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
VIOLATIONS = """options => axe.run(options).then(
  found => found.violations.map(rule => [rule.id, rule.nodes.map(node => JSON.stringify(node.target))])
)"""
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of a platform in this process that may send to this machine."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with ClosingThreads(4) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            settings.PUBLIC_URL = f"http://127.0.0.1:{port}"
            yield settings.PUBLIC_URL


@pytest.fixture(scope="module")
def started_browser() -> Iterator[Any]:
    """Start a browser of Playwright, once for a file, where there is one.

    While it runs, the thread of the tests has an event loop, and a database connection of its own because of that.
    """
    from playwright.sync_api import sync_playwright  # needed by no other test

    with pytest.MonkeyPatch.context() as patched, sync_playwright() as driver:
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()
        connection.close()


@pytest.fixture
def browser(started_browser: Any) -> Iterator[Any]:
    """Yield the browser without pages, cookies and cached files of another test."""
    yield started_browser
    for context in started_browser.contexts:
        context.close()


def faults(page: Any) -> list[str]:
    """Return what is not accessible on a page, and whether it is wider than its window."""
    from axe_playwright_python.base import AXE_SCRIPT  # as the driver: needed by no other test

    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = [f"{rule}: {', '.join(targets)}" for rule, targets in page.evaluate(VIOLATIONS, AXE)]
    width = page.evaluate("document.documentElement.scrollWidth")
    return found if width <= page.viewport_size["width"] else [*found, f"is {width} pixels wide"]


def check(page: Any) -> None:
    """Check that a page is accessible, and no wider than its window."""
    assert faults(page) == [], page.url
