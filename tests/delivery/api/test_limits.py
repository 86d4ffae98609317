"""Test the limits of a tenant, over REST and on its page in the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from delivery.publishing.publisher import publish
from subscriptions.models import Tenant
from tests.factories import make_client, make_endpoint, make_plan, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db


class TestRoutes(RouteCases):
    routes = [ApiRoute("get", "tenants/{tenant}/limits/", "read", 200)]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"tenant": tenant.public_id}


def limits(client: Any, tenant: Tenant) -> dict[str, dict[str, Any]]:
    shown = client.get(f"/api/v1/tenants/{tenant.public_id}/limits/").json()["data"]
    return {limit["name"]: limit for limit in shown}


def test_limits_of_a_tenant_name_what_is_allowed_and_used(settings: Any) -> None:
    settings.WAYPOST_ENDPOINTS_PER_ORIGIN = 0
    tenant = make_tenant(plan=make_plan(events_per_month=1_000, max_endpoints=3), retention_days=7)
    make_endpoint(tenant)
    make_endpoint(make_tenant())
    publish(tenant, [{"type": "a.b", "data": number} for number in range(2)])
    found = limits(make_client(tenant), tenant)
    assert [(found["events_per_month"][name]) for name in ("set_by", "allowed", "used")] == ["plan", 1_000, 2]
    assert found["events_per_month"]["resets_at"].endswith("-01T00:00:00Z")
    assert [(found["max_endpoints"][name]) for name in ("allowed", "used", "resets_at")] == [3, 1, None]
    assert [(found["max_retention_days"][name]) for name in ("allowed", "used")] == [None, 7]
    assert found["WAYPOST_MAX_EVENT_BYTES"]["allowed"] == settings.WAYPOST_MAX_EVENT_BYTES
    assert [(found["WAYPOST_ENDPOINTS_PER_ORIGIN"][name]) for name in ("set_by", "allowed")] == ["setting", None]


def test_limits_of_another_tenant_are_a_404() -> None:
    assert make_client(make_tenant()).get(f"/api/v1/tenants/{make_tenant().public_id}/limits/").status_code == 404


def test_page_of_a_tenant_shows_its_limits() -> None:
    tenant = make_tenant(plan=make_plan(max_endpoints=1_234))
    client = Client()
    client.force_login(User.objects.create(username="staff", is_staff=True, is_superuser=True))
    shown = client.get(reverse("admin:subscriptions_tenant_change", args=[tenant.pk])).text
    assert "1,234" in shown
    assert all(name in shown for name in limits(make_client(tenant), tenant))
    assert client.get(reverse("admin:subscriptions_tenant_add")).status_code == 200
