"""Long names break after dots and underscores; titles are read on a phone; no page is wider than its window."""

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from delivery.models import Delivery, DrainReport, Heartbeat, Usage
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.browser import DESKTOP, PHONE
from tests.config.admin.browser.signed_in import open_admin
from tests.config.admin.pages import page_of
from tests.delivery.alerts.factories import make_failing
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.factories_load import make_drain_report, make_heartbeat
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TYPE = "customer.subscription.trial_will_end"
LINES = """it => {
  const lines = [];
  const walker = document.createTreeWalker(it, NodeFilter.SHOW_TEXT);
  let top = null;
  while (walker.nextNode()) for (let at = 0; at < walker.currentNode.data.length; at++) {
    const range = document.createRange();
    range.setStart(walker.currentNode, at), range.setEnd(walker.currentNode, at + 1);
    const place = range.getBoundingClientRect();
    if (top === null || place.top > top + 4) lines.push(""), top = place.top;
    lines[lines.length - 1] += walker.currentNode.data[at];
  }
  return lines;
}"""


def open_page(server: str, browser: Browser, window: dict[str, int], path: str) -> Page:
    page = open_admin(browser, server, "administrator", viewport=window)
    page.goto(f"{server}{path}")
    return page


def test_event_type_breaks_at_its_dots_and_underscores(server: str, browser: Browser) -> None:
    event = make_event(make_tenant(name="Acme Manufacturing International GmbH"), type=TYPE)
    make_delivery(event, make_endpoint(event.tenant, url=f"https://hooks.acme.example.com/{'orders/' * 6}"))
    page = open_page(server, browser, DESKTOP, page_of(Delivery, "changelist"))
    lines = page.locator("#result_list .field-event_link .wp-link").evaluate(LINES)
    assert "".join(lines) == TYPE
    assert len(lines) > 1
    assert [line for line in lines[:-1] if line[-1] not in "._"] == []


def test_icon_whose_name_has_an_underscore_is_drawn_whole(server: str, browser: Browser) -> None:
    row = make_subscription()
    page = open_page(server, browser, DESKTOP, page_of(Subscription, "change", row.pk))
    icon = page.locator("fieldset .material-symbols-outlined").first
    assert icon.inner_html().strip() == "check_small"


def test_title_of_a_row_is_read_on_a_phone(server: str, browser: Browser) -> None:
    endpoint = make_endpoint(description="Orders of the European web shop")
    page = open_page(server, browser, PHONE, page_of(Endpoint, "change", endpoint.pk))
    title = page.locator(".wp-title")
    assert title.inner_text() == "Orders of the European web shop"
    assert title.evaluate("it => it.scrollHeight <= it.clientHeight + 1")


def test_message_of_a_list_is_not_cut_on_a_phone(server: str, browser: Browser) -> None:
    endpoint = make_endpoint(description="An endpoint whose description is as long as that of two or three lines here")
    page = open_page(server, browser, PHONE, page_of(Endpoint, "changelist"))
    cells = page.locator("#result_list tbody :is(td, th)")
    cut = cells.evaluate_all("all => all.filter(it => it.scrollHeight > it.clientHeight + 1).map(it => it.className)")
    assert cut == []
    assert endpoint.pk


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_of_an_endpoint_with_a_long_url_are_no_wider_than_the_window(
    server: str, browser: Browser, window: dict[str, int]
) -> None:
    endpoint = make_endpoint(make_tenant(name="x" * 200), url=f"https://a.example/?token={'a1b2c3d4' * 240}")
    page = open_admin(browser, server, "administrator", viewport=window)
    paths = [page_of(Endpoint, name, endpoint.pk) for name in ("test", "edit", "secrets", "change", "history")]
    paths.append(reverse("admin:subscriptions_endpoint_operation", args=[endpoint.pk, "disable"]))
    for path in paths:
        page.goto(f"{server}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= window["width"], path


def test_tables_of_pages_show_all_their_columns_on_a_phone(server: str, browser: Browser) -> None:
    endpoint = make_endpoint(make_tenant(name="x" * 200), description="Orders " * 40)
    delivery = make_delivery(make_event(endpoint.tenant), endpoint)
    make_failing(endpoint), make_heartbeat("worker"), make_drain_report()
    confirmation = f"{reverse('admin:delivery_delivery_operation')}?what=retry&ids={delivery.public_id}"
    lists = [page_of(model, "changelist") for model in (Heartbeat, DrainReport, Usage)]
    rows = [page_of(Tenant, "change", endpoint.tenant_id), page_of(Endpoint, "history", endpoint.pk)]
    page = open_admin(browser, server, "administrator", viewport=PHONE)
    found = 0
    for path in (confirmation, *lists, *rows):
        page.goto(f"{server}{path}")
        tables = page.locator(".wp-scroll:has(> .wp-stack)")
        found += tables.count()
        assert tables.evaluate_all("all => all.filter(it => it.scrollWidth > it.clientWidth).length") == 0, path
    assert found >= 4
