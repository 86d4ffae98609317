"""An operator goes from an alert to its cause, repairs it, replays what was given up, and finds it in the audit."""

import orjson
import pytest
from playwright.sync_api import Browser, Page, expect

from config.status import parts
from config.status.status import cached_status
from delivery.figures.measure import measure_backlog
from delivery.models import DeadLetter, Delivery
from delivery.publishing.publisher import publish
from delivery.replaying import replays
from delivery.sending.drain import deliver_due
from subscriptions.models import Endpoint
from tests.browser import DESKTOP
from tests.config.admin.browser.signed_in import open_admin
from tests.delivery.alerts.factories import make_failing, make_rule, run_rule
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.receiver import Receiver, status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ANSWER = b"the shop is closed for repairs"
GIVEN_UP = 3  # deliveries whose last attempt failed


@pytest.fixture(autouse=True)
def no_cached_status() -> None:
    cached_status.clear(), parts.readiness.clear()


def fail(endpoint: Endpoint) -> None:
    """Publish events to an endpoint that fails: one delivery waits for its retry, the others are given up."""
    for number in range(GIVEN_UP):
        publish(endpoint.tenant, [{"type": "order.paid", "data": {"order": number}}])
    deliver_due(idle_timeout=0.1)
    Endpoint.objects.filter(pk=endpoint.pk).update(retry_plan=[3_600])
    publish(endpoint.tenant, [{"type": "order.paid", "data": {"order": GIVEN_UP}}])
    deliver_due(idle_timeout=0.1)
    make_failing(endpoint, minutes=12)
    rule = make_rule(endpoint.tenant, name="An endpoint fails", for_minutes=10)
    run_rule(rule)
    measure_backlog()


def test_operator_goes_from_an_alert_to_the_audit(server: str, browser: Browser) -> None:
    tenant = make_tenant(name="Acme")
    with Receiver() as receiver:
        url = receiver.script("/hooks", status(503, ANSWER))
        endpoint = make_endpoint(tenant, url=url, retry_plan=[], description="Orders of Acme")
        make_subscription(endpoint, event_types=["*"])
        fail(endpoint)
        assert DeadLetter.objects.filter(endpoint=endpoint).count() == GIVEN_UP
        page = open_admin(browser, server, "operator", viewport=DESKTOP, timezone_id="Asia/Kolkata")
        refused: list[str] = []
        page.on("console", lambda it: refused.append(it.text) if "Content Security Policy" in it.text else None)
        find_cause(page, server)
        receiver.script("/hooks", 204)
        repair(page)
        deliver_due(idle_timeout=0.1)
        waiting = Delivery.objects.get(endpoint=endpoint, state__in=("pending", "delivered"))
        assert waiting.state == "delivered"
        replay(page)
    assert not Delivery.objects.exclude(state="delivered").exists()
    assert sorted(orjson.loads(it.body)["data"]["order"] for it in receiver.at("/hooks")[-GIVEN_UP:]) == [0, 1, 2]
    find_in_audit(page, server)
    assert refused == []


def find_cause(page: Page, server: str) -> None:
    """Go from the alert on the first page to the response of the attempt."""
    page.goto(f"{server}/admin/")
    alerts = page.locator("section", has=page.get_by_role("heading", name="Alerts firing"))
    expect(alerts.get_by_role("link", name="An endpoint fails")).to_be_visible()
    attention = page.locator("section", has=page.get_by_role("heading", name="Endpoints that need attention"))
    expect(attention.get_by_text("503 for 100 % of attempts")).to_be_visible()
    attention.get_by_role("link", name="Orders of Acme").click()
    expect(page.get_by_role("heading", name="Failing since")).to_be_visible()
    page.get_by_role("group", name="Operations").get_by_role("link", name="Deliveries").click()
    page.locator("#result_list tbody tr", has_text="pending").get_by_role("link").first.click()
    expect(page.locator("time.wp-time").first).to_contain_text("GMT+5:30")
    page.get_by_role("link", name="Request").first.click()
    expect(page.get_by_text(ANSWER.decode())).to_be_visible()


def repair(page: Page) -> None:
    """Say on the endpoint's page that it works again."""
    page.locator("#content").get_by_role("link", name="Delivery", exact=True).click()
    page.locator("#content").get_by_role("link", name="Orders of Acme").first.click()
    page.get_by_role("button", name="Retry all pending now").click()
    expect(page.get_by_text("retries are due now")).to_be_visible()


def replay(page: Page) -> None:
    """Replay what was given up at the endpoint by a filter, and watch it to its end."""
    page.get_by_role("link", name="Replay dead letters…").click()
    expect(page.locator(".wp-count", has_text=str(GIVEN_UP))).to_be_visible()
    page.get_by_role("button", name=f"Replay {GIVEN_UP}").click()
    expect(page.get_by_text(f"Replay started: {GIVEN_UP} deliveries")).to_be_visible()
    replays.run_slices()
    deliver_due(idle_timeout=0.1)
    page.reload()
    expect(page.get_by_text(f"{GIVEN_UP} of {GIVEN_UP}")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    expect(page.get_by_text(f"{GIVEN_UP} delivered")).to_be_visible()


def find_in_audit(page: Page, server: str) -> None:
    """Find who has replayed."""
    page.goto(f"{server}/admin/webhooks/auditentry/?q=a+operator")
    rows = page.locator("#result_list tbody tr")
    expect(rows.filter(has_text="replay").first).to_contain_text("a operator")
    expect(rows.filter(has_text="endpoint").first).to_contain_text("a operator")
