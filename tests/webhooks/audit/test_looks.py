"""Test what a look at a payload is, whose looks have entries, and how those of tenants' own keys are counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from subscriptions.api.tenancy import HEADER
from subscriptions.inspectors.inspectors import create_inspector, page_url_of
from subscriptions.models import Role, Tenant
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.delivery.portal.sessions import portal_client
from tests.factories import client_with, make_client, make_endpoint, make_key, make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.audit.key_looks import key_looks, record_ended_hours
from webhooks.audit.models import AuditEntry, KeyLooks
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db

API = "/api/v1/"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def looks() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="viewed").order_by("id"))


def make_attempted(tenant: Tenant) -> Any:
    """Make a delivery with a response."""
    delivery = make_delivery(make_event(tenant, data={"note": "x"}), make_endpoint(tenant), attempts=1)
    make_attempt(delivery, response=b"no", status=503)
    return delivery


def test_look_with_a_key_of_the_platform_names_key_object_tenant_and_address(tenant: Tenant) -> None:
    event = make_event(tenant)
    key, text = make_key()
    client_with(text).get(f"{API}events/{event.public_id}/", headers={HEADER: tenant.public_id})
    (entry,) = looks()
    assert (entry.actor_type, entry.actor_id, entry.origin) == ("key", str(key.pk), "api")
    assert (entry.object_type, entry.object_key, entry.tenant_id) == ("event", str(event.pk), tenant.pk)
    assert (entry.operation, entry.address, entry.actor_tenant_id) == ("GET event-detail", "127.0.0.1", None)


def test_tenant_sees_who_of_the_platform_has_looked_as_operator(tenant: Tenant) -> None:
    event = make_event(tenant)
    make_client().get(f"{API}events/{event.public_id}/")
    (seen,) = make_client(tenant).get(f"{API}audit/?action=viewed").json()["data"]
    assert (seen["object_id"], seen["actor"]["name"], seen["actor"]["address"]) == (event.public_id, "operator", "")


def test_list_that_leaves_payloads_out_is_no_look_and_one_that_shows_them_is_one(tenant: Tenant) -> None:
    delivery = make_attempted(tenant)
    client = client_with(make_key(tenant, role=Role.SUPPORT)[1])
    client.get(f"{API}deliveries/"), client.get(f"{API}events/"), client.get(f"{API}dead-letters/")
    assert looks() == []
    client.get(f"{API}deliveries/?include=attempts")
    (entry,) = looks()
    assert (entry.object_type, entry.object_key, entry.tenant_id) == ("delivery", "", tenant.pk)
    assert entry.after == {"ids": [delivery.public_id]}


def test_list_below_a_row_is_a_look_at_the_row(tenant: Tenant) -> None:
    delivery = make_attempted(tenant)
    client = client_with(make_key(tenant, role=Role.SUPPORT)[1])
    client.get(f"{API}deliveries/{delivery.public_id}/attempts/")
    client.get(f"{API}events/{delivery.event.public_id}/deliveries/?include=attempts")
    assert [(it.object_type, it.object_key) for it in looks()] == [
        ("delivery", str(delivery.pk)),
        ("event", str(delivery.event_id)),
    ]


def test_head_and_failed_reads_are_no_looks(tenant: Tenant) -> None:
    delivery = make_attempted(tenant)
    client = client_with(make_key(tenant, role=Role.SUPPORT)[1])
    client.head(f"{API}deliveries/{delivery.public_id}/")
    client.get(f"{API}deliveries/{delivery.public_id}/attempts/7/")
    client.get(f"{API}events/{make_event(make_tenant()).public_id}/")
    assert looks() == []


def test_event_without_payload_is_no_look(tenant: Tenant) -> None:
    client = client_with(make_key(tenant, role=Role.ADMINISTRATOR)[1])
    event = make_event(tenant)
    client.delete(f"{API}events/{event.public_id}/payload/")
    client.get(f"{API}events/{event.public_id}/")
    assert looks() == []


def test_dry_run_on_a_stored_event_is_a_look_at_it(tenant: Tenant) -> None:
    event = make_event(tenant, type="order.paid")
    client = client_with(make_key(tenant, role=Role.SUPPORT)[1])
    client.post(f"{API}subscriptions/test/", {"event": {"type": "order.paid"}})
    assert looks() == []
    client.post(f"{API}subscriptions/test/", {"event": event.public_id})
    assert [it.object_key for it in looks()] == [str(event.pk)]


def test_look_at_a_receipt_of_headers_and_of_the_body(tenant: Tenant) -> None:
    receipt = make_receipt(make_source(tenant_id=tenant.pk), headers={"x-a": "b"})
    client = client_with(make_key(tenant, role=Role.SUPPORT)[1])
    client.get(f"{API}receipts/{receipt.public_id}/")
    client.get(f"{API}receipts/{receipt.public_id}/body/")
    assert [(it.operation, it.object_key) for it in looks()] == [
        ("GET receipt-detail", str(receipt.pk)),
        ("GET receipt-body", str(receipt.pk)),
    ]


def test_own_key_without_a_role_is_counted_and_has_an_entry_of_the_hour(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.audit.key_looks.time", lambda: datetime(2026, 1, 2, 3, 45, tzinfo=UTC).timestamp())
    key, text = make_key(tenant)
    delivery = make_attempted(tenant)
    client = client_with(text)
    for _ in range(3):
        client.get(f"{API}events/{delivery.event.public_id}/")
    client.get(f"{API}deliveries/{delivery.public_id}/")
    assert looks() == []
    key_looks.write()
    client.get(f"{API}events/{delivery.event.public_id}/")
    key_looks.write()
    assert record_ended_hours() == 2
    assert record_ended_hours() == 0
    found = {it.object_type: it for it in looks()}
    assert found["event"].after == {"looks": 4, "hour": "2026-01-02T03:00:00Z"}
    assert found["delivery"].after == {"looks": 1, "hour": "2026-01-02T03:00:00Z"}
    event = found["event"]
    assert (event.actor_type, event.actor_id, event.tenant_id) == ("key", str(key.pk), tenant.pk)
    (shown, _) = client.get(f"{API}audit/?action=viewed&actor={key.pk}").json()["data"]
    assert shown["actor"]["name"] == str(key)


def test_hour_has_its_entry_when_all_processes_have_written_its_counts(tenant: Tenant) -> None:
    for minutes in (30, 61, 63):
        starts_at = database_now() - timedelta(minutes=minutes)
        key = {"key_id": tenant.pk, "tenant_id": tenant.pk, "key_name": "k", "object_type": "event"}
        KeyLooks.objects.create(**key, starts_at=starts_at, looks=minutes)
    assert record_ended_hours() == 1
    assert sorted(KeyLooks.objects.values_list("looks", flat=True)) == [30, 61]


def test_count_of_an_hour_costs_a_read_no_statement(tenant: Tenant, django_assert_max_num_queries: Any) -> None:
    event, client = make_event(tenant), make_client(tenant)
    path = f"{API}events/{event.public_id}/"
    client.get(path)
    with django_assert_max_num_queries(50) as counted:
        client.get(path)
    assert [it["sql"] for it in counted.captured_queries if "INSERT" in it["sql"] or "UPDATE" in it["sql"]] == []


def test_own_key_has_an_entry_for_each_look_where_the_setting_says_so(tenant: Tenant, settings: Any) -> None:
    settings.WAYPOST_AUDIT_EACH_LOOK = True
    event, client = make_event(tenant), make_client(tenant)
    client.get(f"{API}events/{event.public_id}/")
    client.get(f"{API}events/{event.public_id}/")
    assert [it.object_key for it in looks()] == [str(event.pk)] * 2


def test_page_of_the_portal_is_one_look_of_its_user(tenant: Tenant) -> None:
    event = make_event(tenant, data={"note": "x"})
    client = portal_client(tenant, user="ada")
    assert client.get(f"/portal/messages/{event.public_id}/").status_code == 200
    (entry,) = looks()
    assert (entry.actor_type, entry.actor_name, entry.origin) == ("portal", "portal: ada", "portal")
    assert (entry.object_key, entry.tenant_id) == (str(event.pk), tenant.pk)


def test_session_of_the_portal_without_payloads_leaves_no_look(tenant: Tenant) -> None:
    delivery = make_attempted(tenant)
    client = portal_client(tenant, "view")
    assert client.get(f"/portal/messages/{delivery.event.public_id}/").status_code == 200
    assert client.get(f"/portal/deliveries/{delivery.public_id}/").status_code == 200
    assert looks() == []


def test_open_page_of_an_inspector_is_a_look_of_its_address_once_an_hour(tenant: Tenant) -> None:
    inspector = create_inspector(tenant)
    path = page_url_of(inspector).removeprefix("http://127.0.0.1:8000")
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        assert Client(REMOTE_ADDR=address).get(path).status_code == 200
    assert [(it.actor_type, it.address, it.object_key) for it in looks()] == [
        ("anonymous", "192.0.2.1", str(inspector.pk)),
        ("anonymous", "192.0.2.2", str(inspector.pk)),
    ]
