"""The pages that need no sign-in are accessible in both colour schemes, and no wider than a phone."""

from typing import Any

import pytest

from tests.browser import PHONE, check

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_page_is_accessible_on_a_phone(server: str, browser: Any, scheme: Any) -> None:
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)
    for path in ("", "problems/", "problems/invalid/", "nothing/", "catalogue/", "portal/"):
        page.goto(f"{server}/{path}")
        check(page)
