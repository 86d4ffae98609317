"""The pages that need no sign-in are accessible in both colour schemes, and no wider than a phone."""

from typing import Any

import pytest

from subscriptions.inspectors.inspectors import create_inspector
from tests.browser import PHONE, check
from tests.factories import make_event_type, make_tenant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_page_is_accessible_on_a_phone(server: str, browser: Any, scheme: Any) -> None:
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)
    long_type = f"com.example.{'warehouse.' * 9}delivered"
    make_event_type(name=long_type, description="Sent once `total` is paid.", schema={"properties": {"total": {}}})
    inspector = create_inspector(make_tenant())
    paths = ("", "problems/", "problems/invalid/", "nothing/", "portal/", "catalogue/", f"catalogue/{long_type}/")
    for path in (*paths, f"inspectors/{inspector.page_token}/"):
        page.goto(f"{server}/{path}")
        check(page)
