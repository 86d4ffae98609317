"""Deliveries to a request inspector, through the real web server: with no network allowed, and nothing else of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from config.web.application import WebApplication
from delivery.models import Attempt
from delivery.sending.drain import deliver_due
from subscriptions.inspectors.inspectors import create_inspector, url_of
from subscriptions.models import Endpoint, Inspector, Tenant
from tests.config.web.server import send, serving
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.threads import ClosingThreads
from webhooks.kit.fair.threads import request_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[int]:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = False, []
    with ClosingThreads(2) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            settings.PUBLIC_URL = f"http://127.0.0.1:{port}"
            yield port


def subscribed(tenant: Tenant, url: str) -> Endpoint:
    endpoint = make_endpoint(tenant, url=url, retry_plan=[])
    make_subscription(endpoint)
    return endpoint


def test_delivery_arrives_at_the_inspector_and_nowhere_else_at_the_platform(port: int) -> None:
    tenant = make_tenant()
    inspector = create_inspector(tenant)
    seen = subscribed(tenant, url_of(inspector))
    refused = subscribed(tenant, f"http://127.0.0.1:{port}/healthz")
    make_client(tenant).post("/api/v1/events/", {"type": "order.paid", "data": {"total": 42}})
    deliver_due(idle_timeout=0.1)
    kept = inspector.requests.get()
    assert (kept.is_verified, kept.endpoint_id) == (True, seen.pk)
    assert json.loads(bytes(kept.body))["data"] == {"total": 42}
    outcomes = Attempt.objects.values_list("delivery__endpoint", "status", "error")
    assert set(outcomes) == {(seen.pk, 200, ""), (refused.pk, None, "forbidden")}


def test_chosen_status_and_delay_are_those_of_the_response(port: int) -> None:
    inspector = create_inspector(make_tenant(), response_status=503, response_delay_ms=30)
    status, _, body = send(port, "PROPFIND", f"/inspect/{inspector.token}", "a")
    assert (status, body) == (503, b"kept\n")
    assert Inspector.objects.get().requests.get().method == "PROPFIND"
