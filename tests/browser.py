"""Open pages of a platform in this process in a browser, and check that they are accessible and no wider than it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from config.web.application import WebApplication
from tests.config.web.server import serving
from tests.threads import ClosingThreads
from webhooks.kit.fair.threads import request_threads

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@contextmanager
def platform(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of a platform that may send to this machine."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with ClosingThreads(4) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            settings.PUBLIC_URL = f"http://127.0.0.1:{port}"
            yield settings.PUBLIC_URL


@contextmanager
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a browser of Playwright, which only tests that are collected where there is one may ask for."""
    from playwright.sync_api import sync_playwright  # needed by no other test

    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the driver has an event loop in the thread of the test
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()
        connection.close()  # another one than that of the test without an event loop


def faults(page: Any) -> list[str]:
    """Return what is not accessible on a page, and whether it is wider than its window."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=AXE).response["violations"]
    said = [f"{rule['id']}: {', '.join(str(it['target']) for it in rule['nodes'])}" for rule in found]
    width = page.evaluate("document.documentElement.scrollWidth")
    return said if width <= page.viewport_size["width"] else [*said, f"is {width} pixels wide"]


def check(page: Any) -> None:
    """Check that a page is accessible, and no wider than its window."""
    assert faults(page) == [], page.url
