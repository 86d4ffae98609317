"""The page that shows the description of the API, in a browser: in its colours, and within the policy of the page."""

from typing import Any, Literal

import pytest
from playwright.sync_api import ConsoleMessage, expect

from tests.browser import chromium, platform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_the_api_follows_the_colours_of_the_browser(
    settings: Any, monkeypatch: pytest.MonkeyPatch, scheme: Literal["light", "dark"]
) -> None:
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.extend([message.text] if message.type in ("error", "warning") else [])

    with platform(settings, monkeypatch) as server, chromium(monkeypatch) as browser:
        page = browser.new_page(color_scheme=scheme)
        page.on("console", hear)
        page.goto(f"{server}/api/v1/docs/")
        expect(page.get_by_role("heading", name="Waypost")).to_be_visible(timeout=60_000)
        for colours in (scheme, "light" if scheme == "dark" else "dark"):
            page.emulate_media(color_scheme=colours)
            red = page.locator(".swagger-ui .info p").first.evaluate("it => getComputedStyle(it).color")
            assert (int(red.removeprefix("rgb(").partition(",")[0]) > 128) == (colours == "dark"), (colours, red)
    assert said == []
