"""The operations on the page of a tenant."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery.models import Lane
from subscriptions.models import Endpoint, Tenant
from tests.factories import make_endpoint, make_tenant
from tests.staff import staff

pytestmark = pytest.mark.django_db


def page(tenant: Tenant, name: str = "change", *arguments: str) -> str:
    return reverse(f"admin:subscriptions_tenant_{name}", args=[tenant.pk, *arguments])


def titles(client: Client, tenant: Tenant) -> set[str]:
    return {it.title for it in client.get(page(tenant)).context["buttons"]}


@pytest.fixture
def client() -> Client:
    return staff("view_tenant", "change_endpoint", "view_endpoint", "view_apikey", "add_apikey", "add_replay")


def test_page_shows_the_operations_that_apply(client: Client) -> None:
    tenant = make_tenant()
    always = {"Endpoints", "API keys", "New API key…", "Retry all pending now", "Replay dead letters…"}
    assert titles(client, tenant) == always
    make_endpoint(tenant)
    assert titles(client, tenant) == {*always, "Pause all endpoints…", "Disable all endpoints…"}
    Endpoint.objects.update(state="paused")
    assert titles(client, tenant) == {*always, "Resume paused endpoints…", "Disable all endpoints…"}


def test_pausing_says_how_many_and_is_logged(client: Client) -> None:
    tenant = make_tenant()
    for _ in range(2):
        make_endpoint(tenant)
    path = page(tenant, "operation", "pause")
    assert "Changes 2 endpoints." in client.get(path).content.decode()
    shown = client.post(path, follow=True).content.decode()
    assert "2 endpoints paused" in shown
    assert set(Endpoint.objects.values_list("state", flat=True)) == {"paused"}
    assert LogEntry.objects.get().object_id == str(tenant.pk)


def test_disabling_needs_a_reason(client: Client) -> None:
    endpoint = make_endpoint()
    path = page(endpoint.tenant, "operation", "disable")
    assert client.post(path).status_code == 200
    endpoint.refresh_from_db()
    assert endpoint.state == "active"
    client.post(path, {"reason": "Not paid"})
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_note) == ("disabled", "Not paid")


def test_retry_makes_the_retries_of_active_endpoints_due(client: Client) -> None:
    waiting = make_endpoint()
    paused = make_endpoint(waiting.tenant, state="paused")
    for endpoint in (waiting, paused):
        Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=timezone.now())
    shown = client.post(page(waiting.tenant, "operation", "retry"), follow=True).content.decode()
    assert "retries of 1 endpoint are due now" in shown
    waiting.refresh_from_db(), paused.refresh_from_db()
    assert (waiting.repaired_at is not None, paused.repaired_at) == (True, None)


def test_viewer_sees_no_operation_that_changes_anything_and_may_run_none() -> None:
    tenant = make_endpoint().tenant
    viewer = staff("view_tenant", "view_endpoint")
    assert titles(viewer, tenant) == {"Endpoints"}
    assert viewer.post(page(tenant, "operation", "pause")).status_code == 403


def test_tenant_with_the_name_of_another_is_pointed_out() -> None:
    other = make_tenant(name="Acme")
    client = staff("view_tenant", "add_tenant")
    body = {"name": "Acme", "uid": "", "metadata": "{}", "retention_days": 90}
    shown = client.post(reverse("admin:subscriptions_tenant_add"), body, follow=True).content.decode()
    assert "Another tenant has this name" in shown
    assert other.public_id in shown
