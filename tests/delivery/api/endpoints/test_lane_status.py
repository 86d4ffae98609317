"""The status of an endpoint's lane over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from subscriptions.models import Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db


class TestLaneStatusRoutes(RouteCases):
    routes = [ApiRoute("get", "endpoints/{endpoint}/status/", "read", 200)]

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
