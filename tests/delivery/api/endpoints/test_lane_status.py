"""The status of an endpoint's lane over REST."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from delivery.models import Lane
from subscriptions.models import Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db


class TestLaneStatusRoutes(RouteCases):
    routes = [
        ApiRoute("get", "endpoints/{endpoint}/status/", "read", 200),
        ApiRoute("post", "endpoints/{endpoint}/retry/", "manage", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"endpoint": make_endpoint(tenant).public_id}


def test_status_shows_rate_backlog_and_blockers() -> None:
    tenant = make_tenant()
    client: APIClient = make_client(tenant)
    endpoint = make_endpoint(tenant, uid="sorted", ordering="subject", rate_limit=5)
    later = timezone.now() + timedelta(hours=1)
    delivery = make_delivery(make_event(tenant), endpoint, order_key="a", attempts=1, next_attempt_at=later)
    lane = client.get("/api/v1/endpoints/sorted/status/").json()
    assert (lane["state"], lane["backlog"], lane["ordering"], lane["effective_rate"]) == ("idle", 1, "subject", 5.0)
    assert lane["circuit_breaker"]["state"] == "closed"
    assert [(it["key"], it["delivery"]) for it in lane["blockers"]] == [("a", delivery.public_id)]


def test_status_shows_health_and_a_requested_pause() -> None:
    tenant = make_tenant()
    endpoint, until = make_endpoint(tenant, uid="busy"), timezone.now() + timedelta(hours=1)
    Lane.objects.create(endpoint=endpoint, tenant=tenant, wait_until=until, wait_status=503)
    shown = make_client(tenant).get("/api/v1/endpoints/busy/status/").json()
    assert (shown["state"], shown["health"]["state"]) == ("pause_requested", "pause_requested")
    assert datetime.fromisoformat(shown["waits_until"]) == until
    assert shown["waits_because"] == shown["health"]["text"]
    assert shown["health"]["rejected_percent"] is None


def test_retry_returns_the_status_and_makes_the_lane_due(django_capture_on_commit_callbacks: Any) -> None:
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    later = timezone.now() + timedelta(hours=1)
    Lane.objects.create(endpoint=endpoint, tenant=tenant, due_at=later, circuit_open_until=later, open_count=3)
    with django_capture_on_commit_callbacks(execute=True):
        response = make_client(tenant).post(f"/api/v1/endpoints/{endpoint.public_id}/retry/")
    assert (response.status_code, response.json()["circuit_breaker"]["state"]) == (200, "half_open")
    assert Lane.objects.get().due_at <= timezone.now()


def test_retry_of_a_paused_endpoint_is_a_conflict() -> None:
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, state="paused")
    response = make_client(tenant).post(f"/api/v1/endpoints/{endpoint.public_id}/retry/")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (409, "#/state")
