"""The page that shows the description of the API, in a browser: in its colours, and within the policy of the page."""

from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, expect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_the_api_follows_the_colours_of_the_browser(
    server: str, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.extend([message.text] if message.type in ("error", "warning") else [])

    page = browser.new_page(color_scheme=scheme)
    page.on("console", hear)
    page.goto(f"{server}/api/v1/docs/")
    text = page.locator(".swagger-ui .info p").first
    expect(text).to_be_visible(timeout=60_000)
    for colours in (scheme, "light" if scheme == "dark" else "dark"):
        page.emulate_media(color_scheme=colours)
        is_light = int(text.evaluate("it => getComputedStyle(it).color").removeprefix("rgb(").partition(",")[0]) > 128
        assert is_light == (colours == "dark"), colours
    assert said == []
