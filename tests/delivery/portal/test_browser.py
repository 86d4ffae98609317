"""The portal in a browser: from a link to a verified webhook, and inside pages of other sites."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from standardwebhooks import Webhook

from delivery.models import AlertRule, Schedule
from delivery.publishing import publish
from subscriptions.event_types import registry
from subscriptions.models import Tenant
from subscriptions.portal_access.links import create_link
from tests.browser import PHONE, check
from tests.delivery.alerts.factories import make_alert, make_failing
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_endpoint, make_event_type, make_plan, make_subscription, make_tenant
from tests.receiver import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MOST_STOPS = 60  # of the tabulator on one page
PATTERN = '{"data": {"total": [{"numeric": [">", 100]}]}}'


def link_for(tenant: Tenant, **fields: Any) -> str:
    return create_link(tenant, created_by="wp_1", **fields)[1]


def test_new_user_goes_from_a_link_to_a_verified_webhook(server: str, browser: Browser) -> None:
    tenant = make_tenant()
    registry.create(
        tenant,
        {"name": "order.paid", "description": "An order was paid.", "examples": [{"total": 129.5}]},
        by_operator=True,
    )
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    refused: list[str] = []
    page.on("console", lambda it: refused.append(it.text) if "Content Security Policy" in it.text else None)
    with Receiver() as receiver:
        url = receiver.script("/hook", 204)
        page.goto(link_for(tenant, user="ada@example.com"))
        check(page)
        page.get_by_role("link", name="Add your first endpoint").click()
        check(page)
        page.get_by_role("link", name="A URL of yours").click()
        page.get_by_label("URL").fill(url)
        page.get_by_label("Only these").check()
        page.get_by_role("checkbox", name="order.paid").check()
        page.get_by_text("Filter by content").click()
        page.get_by_label("Only events that match").check()
        page.get_by_label("Pattern", exact=True).fill(PATTERN)
        expect(page.get_by_text("The sample matches")).to_be_visible()
        page.get_by_label("Sample event").fill('{"type": "order.paid", "data": {"total": 5}}')
        expect(page.get_by_text("The sample does not match")).to_be_visible()
        check(page)
        page.get_by_role("button", name="Add endpoint").click()
        secret = page.locator("#secret").inner_text()
        check(page)
        page.get_by_label("Type").select_option("order.paid")
        page.get_by_role("button", name="Send test event").click()
        expect(page.get_by_text("The endpoint accepted the test event: 204")).to_be_visible()
        check(page)
        (sent,) = receiver.arrivals
        Webhook(secret).verify(sent.body, {name.lower(): value for name, value in sent.headers.items()})
    page.get_by_role("link", name="To the endpoint").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    check(page)
    page.get_by_role("link", name="Activity").click()
    expect(page.get_by_text("Added an endpoint").first).to_be_visible()
    assert refused == []


def tab_to(page: Page, target: Locator) -> None:
    """Press the tabulator until the focus is on an element, which is visible then."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if target.evaluate("it => it === document.activeElement"):
            expect(target).to_be_in_viewport()
            return
    raise AssertionError(f"the focus does not come to {target}")


def test_endpoint_is_added_and_tested_without_a_mouse(server: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(link_for(make_tenant()))
    for name in ("Add your first endpoint", "A URL of yours"):
        tab_to(page, page.get_by_role("link", name=name))
        page.keyboard.press("Enter")
        page.wait_for_load_state()
    with Receiver() as receiver:
        tab_to(page, page.get_by_label("URL"))
        page.keyboard.type(receiver.script("/hook", 204))
        tab_to(page, page.get_by_label("All events"))
        page.keyboard.press("ArrowDown")
        tab_to(page, page.get_by_label("Others, separated by spaces"))
        page.keyboard.type("order.*")
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        tab_to(page, page.get_by_role("button", name="Send test event"))
        page.keyboard.press("Space")
        expect(page.get_by_text("The endpoint accepted the test event: 204")).to_be_visible()


def test_pages_work_without_scripts(server: str, browser: Browser) -> None:
    tenant = make_tenant()
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(link_for(tenant))
    with Receiver() as receiver:
        page.goto(f"{server}/portal/endpoints/new/http/")
        page.get_by_label("URL").fill(receiver.script("/hook", 204))
        page.get_by_role("button", name="Add endpoint").click()
        page.get_by_role("button", name="Send test event").click()
        expect(page.get_by_text("The endpoint accepted the test event: 204")).to_be_visible()
    page.goto(f"{server}/portal/schedules/new/")
    page.get_by_label("Times", exact=True).fill("rate(7 days)")
    page.get_by_label("Type", exact=True).fill("report.due")
    page.get_by_role("button", name="Create schedule").click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("main").get_by_role("link", name="report.due")).to_have_count(1)
    page.goto(f"{server}/portal/alert-rules/new/endpoint_failing/")
    page.get_by_role("button", name="Create rule").click()
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("Off", exact=True)).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")], ids=["phone", "desktop"])
def test_schedule_is_made_while_its_occurrences_are_shown(
    server: str, browser: Browser, width: int, scheme: Any
) -> None:
    tenant = make_tenant(plan=make_plan(max_schedules=5))
    page = browser.new_page(viewport={"width": width, "height": 850}, color_scheme=scheme, locale="de-DE")
    page.goto(link_for(tenant))
    page.get_by_role("link", name="Zeitpläne").click()
    check(page)
    page.get_by_role("link", name="Neuer Zeitplan").click()
    expect(page.get_by_text("0 von 5 Zeitplänen belegt.")).to_be_visible()
    page.get_by_label("Zeiten", exact=True).fill("often")
    expect(page.locator("#preview .error")).to_be_visible()
    page.get_by_label("Zeiten", exact=True).fill("cron(0 18 ? * MON-FRI *)")
    page.get_by_label("Zeitzone").fill("Europe/Berlin")
    expect(page.locator("#preview tbody tr")).to_have_count(10)
    expect(page.locator("#preview tbody tr").first).to_contain_text("18:00 +0")
    page.get_by_label("Typ", exact=True).fill("report.due")
    check(page)
    page.get_by_role("button", name="Zeitplan anlegen").click()
    page.get_by_role("button", name="Jetzt ausführen").click()
    expect(page.get_by_role("main").get_by_role("link", name="report.due")).to_have_count(1)
    check(page)
    assert Schedule.objects.get().tenant == tenant


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")], ids=["phone", "desktop"])
def test_alert_rule_is_made_while_the_page_tells_when_it_would_have_fired(
    server: str, browser: Browser, width: int, scheme: Any
) -> None:
    tenant = make_tenant()
    make_failing(make_endpoint(tenant, description="The shop"))
    make_failing(make_endpoint(tenant, url=f"https://example.com/{'x' * 80}"))
    make_alert(tenant)
    page = browser.new_page(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page.goto(link_for(tenant))
    page.get_by_role("link", name="Alerts", exact=True).click()
    expect(page.get_by_role("link", name="Alerts", exact=True)).to_be_in_viewport(ratio=1)
    check(page)
    page.get_by_role("link", name="New rule").click()
    check(page)
    page.get_by_role("link", name="Endpoint fails").click()
    expect(page.get_by_text("In the last 24 hours it would not have fired.")).to_be_visible()
    expect(page.get_by_text("At present the condition holds for 2:")).to_be_visible()
    page.get_by_label("Name").fill("The shop is away")
    page.get_by_label("The shop").check()
    check(page)
    page.get_by_role("button", name="Create rule").click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.get_by_text("1 test message is being sent.")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("Off", exact=True)).to_be_visible()
    rule = AlertRule.objects.get(tenant=tenant, name="The shop is away")
    assert not rule.enabled
    assert rule.channel_rows.count() == 1


def test_message_is_found_by_a_value_of_its_payload(server: str, browser: Browser) -> None:
    tenant = make_tenant()
    make_event_type(tenant, name="order.paid", indexed_paths=["data.order.id"])
    publish(tenant, [{"type": "order.paid", "subject": f"A-{n}", "data": {"order": {"id": f"A-{n}"}}} for n in (1, 2)])
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(link_for(tenant))
    page.get_by_role("link", name="Messages").click()
    page.get_by_role("link", name="All events").click()
    page.get_by_label("Where in the data").select_option("data.order.id")
    page.get_by_label("Value in the data, exact").fill("A-2")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("A-2", exact=True)).to_be_visible()
    expect(page.get_by_text("A-1", exact=True)).to_have_count(0)
    check(page)


def test_long_values_are_no_wider_than_a_phone(server: str, browser: Browser) -> None:
    tenant = make_tenant()
    long_type = f"com.example.{'warehouse.' * 8}partially_delivered.v2"
    endpoint = make_endpoint(tenant, url=f"https://hooks.example.com/{'a1b2c3d4' * 200}?token={'x' * 300}")
    make_subscription(endpoint, event_types=["*"])
    delivery = make_delivery(make_event(tenant, type=long_type, subject="\u0637\u0644\u0628 " * 40), endpoint)
    make_attempt(delivery, status=404)
    make_alert(tenant, subject_name=endpoint.http.url[:256])
    page = browser.new_page(viewport=PHONE)
    page.goto(link_for(tenant, user="ada.lovelace@a-customer-with-a-long-name.example.com"))
    for path in (
        "",
        f"endpoints/{endpoint.public_id}/",
        f"endpoints/{endpoint.public_id}/secrets/",
        f"endpoints/{endpoint.public_id}/delete/",
        "messages/",
        "messages/?show=events",
        f"messages/{delivery.event.public_id}/",
        f"deliveries/{delivery.public_id}/",
        "alerts/",
        "keys/",
        "activity/",
        "schedules/",
    ):
        page.goto(f"{server}/portal/{path}")
        for attempt in page.locator("details.attempt > summary").all():
            attempt.click()
        page.wait_for_load_state("networkidle")
        check(page)
        assert len(page.title()) < 200, path
        scrolled = page.locator(".scroll:has(.stack)").evaluate_all(
            "all => all.filter(it => it.scrollWidth > it.clientWidth)"
        )
        assert scrolled == [], f"{path}: a list is scrolled sideways"


def test_refused_form_goes_to_its_first_wrong_field_and_forgets_what_is_corrected(
    server: str, browser: Browser
) -> None:
    endpoint = make_endpoint(make_tenant())
    page = browser.new_page(viewport=PHONE)
    page.goto(link_for(endpoint.tenant))
    page.goto(f"{server}/portal/endpoints/{endpoint.public_id}/settings/")
    page.get_by_label("Timeout").fill("5")
    page.get_by_label("Requests at the same time").fill("0")
    page.get_by_role("button", name="Save").click()
    timeout = page.get_by_label("Timeout")
    expect(timeout).to_be_focused()
    expect(timeout).to_have_accessible_description("Must be at least 1000.")
    check(page)
    timeout.fill("5000")
    expect(page.get_by_text("Must be at least 1000.")).to_have_count(0)
    expect(page.get_by_text("Must be at least 1.")).to_be_visible()
    page.get_by_label("Requests at the same time").fill("10")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("✓ Saved.")
    check(page)


@contextmanager
def site(html: str) -> Iterator[int]:
    """Yield the port of a site with one page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def embedding(server: str, link: str) -> str:
    script = f"{server}/static/delivery/portal/waypost-portal.js"
    return f'<!doctype html><title>Shop</title><script src="{script}"></script><waypost-portal link="{link}">'


def test_portal_works_in_a_page_of_an_allowed_origin_only(server: str, browser: Browser, settings: Any) -> None:
    """``localhost`` is another site than 127.0.0.1, so that the cookie is a third party's."""
    tenant = make_tenant()
    link = link_for(tenant)
    with site(embedding(server, link)) as allowed, site(embedding(server, link_for(tenant))) as third:
        settings.WAYPOST_PORTAL_FRAME_ANCESTORS = [f"http://localhost:{allowed}"]
        page = browser.new_page()
        page.goto(f"http://localhost:{allowed}/")
        frame = page.frame_locator("iframe")
        frame.get_by_role("link", name="Add your first endpoint").click()
        expect(frame.get_by_role("heading", name="Where should your webhooks go?")).to_be_visible()
        frame.get_by_role("link", name="Alerts", exact=True).click()
        expect(frame.get_by_role("heading", name="Alerts")).to_be_visible()
        refused = browser.new_page()
        refused.goto(f"http://localhost:{third}/")
        refused.wait_for_function("document.querySelector('iframe') !== null")
        expect(refused.frame_locator("iframe").get_by_role("heading", name="Endpoints")).to_have_count(0)
        refused.wait_for_load_state("networkidle")
        assert not any("portal" in (it.url if it.url.startswith(server) else "") for it in refused.frames)
