"""The main pages of the admin are accessible and no wider than their window: light on a desktop, dark on a phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from delivery.models import Alert, DeadLetter, Delivery, DrainReport, Event, Heartbeat, Replay
from subscriptions.models import ApiKey, Endpoint, Tenant
from tests.browser import DESKTOP, PHONE, chromium, faults, platform
from tests.config.admin.browser.signed_in import open_admin
from tests.config.admin.pages import make_rows, page_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

INSTANT = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d")


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with platform(settings, monkeypatch) as address:
        yield address


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with chromium(monkeypatch) as started:
        yield started


def paths() -> list[str]:
    """Return the first page, the pages of what an operator looks at, and those of the main verbs."""
    _, rows = make_rows()
    shown = (Tenant, Endpoint, Event, Delivery, DeadLetter, Replay, Alert, ApiKey)
    return [
        reverse("admin:index"),
        f"{reverse('admin:delivery_event_find')}?q=order",
        *(page_of(model, "change", rows[model].pk) for model in shown),
        *(page_of(model, "changelist") for model in (DrainReport, Heartbeat)),
        reverse("admin:subscriptions_tenant_operation", args=[rows[Tenant].pk, "disable"]),
        reverse("admin:delivery_delivery_attempt", args=[rows[Delivery].pk, 1]),
        f"{reverse('admin:delivery_deadletter_replay')}?tenant={rows[Tenant].public_id}",
        page_of(Tenant, "history", rows[Tenant].pk),
    ]


@pytest.mark.parametrize(
    ("window", "colours"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop-light", "phone-dark"]
)
def test_pages_are_accessible_in_light_and_dark(
    server: str, browser: Browser, window: dict[str, int], colours: Any
) -> None:
    found = paths()
    page = open_admin(browser, server, "administrator", viewport=window, color_scheme=colours)
    refused: list[str] = []
    said: list[str] = []
    page.on("console", lambda it: refused.append(it.text) if "Content Security Policy" in it.text else None)
    for path in found:
        response = page.goto(f"{server}{path}")
        assert response is not None
        assert response.status == 200, path
        said += [f"{path} {it}" for it in faults(page)]
        said += [f"{path} shows {it}" for it in INSTANT.findall(page.locator("body").inner_text())]
    assert said == []
    assert refused == []
