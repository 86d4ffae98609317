"""No list of the admin is scrolled sideways in a window of 1,280 pixels, with long names, addresses and messages."""

from typing import Any

import pytest
from django.contrib import admin
from django.utils import timezone
from playwright.sync_api import Browser

from delivery.models import Alert, DeadLetter, Delivery, Event, Replay
from subscriptions.models import Endpoint, HttpSettings, Tenant
from tests.browser import PHONE
from tests.config.admin.browser.signed_in import open_admin
from tests.config.admin.pages import WITHOUT_ROWS, make_rows, page_of
from tests.delivery.alerts.factories import make_alert
from webhooks.models import Receipt, Rejection, Source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

LONG = "Acme Manufacturing International GmbH & Co. KG"
USER = "admin:grace.hopper@example.com"
URL = "https://integrations.acme-manufacturing.example.com/api/v2/webhooks/orders/incoming"
TYPE = "invoice.payment_attempt.failed"
SCROLLED = """() => {
  const found = [];
  for (let it = document.querySelector("#result_list"); it && it !== document.body; it = it.parentElement) {
    const scrolls = getComputedStyle(it).overflowX !== "visible";
    if (scrolls && it.scrollWidth > it.clientWidth + 1) found.push(`${it.scrollWidth} of ${it.clientWidth} px`);
  }
  return found;
}"""


def lengthen() -> None:
    """Give the rows the longest texts that a list usually shows."""
    now = timezone.now()
    Tenant.objects.update(name=LONG)
    Endpoint.objects.update(description="")
    HttpSettings.objects.update(url=URL)
    Event.objects.update(type=TYPE, subject="order/A-4711-0000-2026")
    Delivery.objects.update(last_status=None, last_error="tls_name", attempts=11)
    DeadLetter.objects.update(cause="transformation_failed", last_status=None, last_error="tls_name")
    Alert.objects.update(
        message="No attempt has succeeded for 42 minutes; the latest failed with 503 Service Unavailable.",
        acknowledged_by=USER,
        acknowledged_at=now,
        resolved_at=now,
    )
    Replay.objects.update(requested_by=USER, total=119_740, replayed=51_203)
    Source.objects.update(name="Orders of the European web shop", uid="shopify-orders-europe")
    Receipt.objects.update(event_type=TYPE, message_id="gid-shopify-order-000000001-webhook-delivery")
    Rejection.objects.update(
        reason="stale_timestamp",
        detail="A required header is missing or empty. (webhook-signature)",
        remote_address="2001:db8:85a3:8d3:1319:8a2e:370:7348",
        size=48_211,
    )


@pytest.mark.parametrize("width", [1280, 1440])
def test_no_list_is_scrolled_sideways(server: str, browser: Browser, width: int) -> None:
    make_rows()
    lengthen()
    window: dict[str, Any] = {"width": width, "height": 900}
    page = open_admin(browser, server, "administrator", viewport=window)
    scrolled = {}
    for model in admin.site._registry.keys() - WITHOUT_ROWS:
        page.goto(f"{server}{page_of(model, 'changelist')}")
        assert page.locator("#result_list tbody tr").count(), model
        if found := page.evaluate(SCROLLED):
            scrolled[model._meta.label] = found
    assert scrolled == {}


def test_alerts_of_the_first_page_are_not_scrolled_sideways_on_a_phone(server: str, browser: Browser) -> None:
    make_alert(subject_name=URL)
    page = open_admin(browser, server, "administrator", viewport=PHONE)
    page.goto(f"{server}/admin/")
    table = page.locator("section", has=page.get_by_role("heading", name="Alerts firing")).locator(".wp-scroll")
    assert table.evaluate("it => it.scrollWidth - it.clientWidth") == 0
