"""Roles of API keys: every operation asks for a permission of the admin, and payloads are hidden from viewers.

``docs/reference/roles.md`` lists what this walk over the description finds.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import resolve
from rest_framework.test import APIClient

from delivery.models import Broadcast, Schedule
from subscriptions.api.authentication import required_permission
from subscriptions.api.tenancy import HEADER
from subscriptions.inspectors.inspectors import create_inspector
from subscriptions.inspectors.requests import Arrival, keep_request
from subscriptions.models import Role, Tenant
from subscriptions.tenants.roles import allows
from tests.api.operations import Operation, operations
from tests.api.tenant_rows import TenantRows
from tests.api.test_authorization import unknown_ids
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event
from tests.delivery.schedules.factories import make_schedule
from tests.factories import client_with, make_endpoint, make_key, make_subscription, make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.audit.models import AuditEntry
from webhooks.kit.bodies.payloads import HIDDEN
from webhooks.models import Receipt, Rejection

pytestmark = pytest.mark.django_db

SECRET = "only-for-support"
SET_UP = {"/schedules/", "/schedules/{ref}/", "/audit/", "/audit/export/"}  # show what is set up, and was not sent yet
AUTHENTICATED = [it for it in operations() if it.needs_key]
EACH = pytest.mark.parametrize("operation", AUTHENTICATED, ids=str)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "roles.md"
HEAD = """\
# Roles of API keys

What a key with a role may do: `viewer`, `support`, `operator` or `administrator`, the roles of the users of
[the admin](../how-to/access.md#roles). Each may do what the ones before it may; the table names the first that may. The
permission is the one that the admin asks its users for. The key also needs the scope of the operation.

This page is written by `WAYPOST_WRITE_ROLES=1 make test ARGS=tests/api/test_roles.py`.

| operation | summary | permission | role |
|---|---|---|---|
"""


@cache
def permission_of(operation: Operation) -> str:
    """Return the permission that a key with a role needs."""
    callback: Any = resolve(operation.path.format_map(unknown_ids())).func
    view = getattr(callback, "cls", None) or callback.view_class
    return required_permission(operation.method.upper(), view())


def role_of(operation: Operation) -> Role:
    return next(role for role in Role if allows(role, permission_of(operation)))


@EACH
def test_role_decides_what_its_key_may_do(operation: Operation) -> None:
    """The requests have unknown ids, so that they change nothing."""
    tenant = {HEADER: make_tenant().public_id}
    refused = []
    for role in Role:
        response = operation.call(client_with(make_key(role=role)[1]), unknown_ids(), **tenant)
        if response.status_code == 403:
            problem = response.json()
            assert problem["code"] == "insufficient_role"
            assert (problem["role"], problem["permission"]) == (role, permission_of(operation))
            refused.append(role)
    assert refused == [role for role in Role if not allows(role, permission_of(operation))]


def test_every_permission_is_one_of_the_admin() -> None:
    rows = Permission.objects.select_related("content_type")
    known = {f"{it.content_type.app_label}.{it.codename}" for it in rows}
    assert {permission_of(it) for it in AUTHENTICATED} - known == set()


def test_viewers_change_nothing() -> None:
    open_to_viewers = [it for it in AUTHENTICATED if role_of(it) == Role.VIEWER]
    changing = [str(it) for it in open_to_viewers if it.method != "get"]
    assert [it for it in changing if not it.endswith(("/preview/",))] == []


def test_resource_that_a_put_creates_needs_the_role_that_may_add_one() -> None:
    for operation in AUTHENTICATED:
        permission = permission_of(operation)
        if operation.method == "put" and ".change_" in permission:
            added = permission.replace(".change_", ".add_")
            assert [allows(role, permission) for role in Role] == [allows(role, added) for role in Role], operation


def page() -> str:
    rows = sorted(AUTHENTICATED, key=lambda it: (it.path, it.method))
    return HEAD + "".join(f"| {' | '.join(cells(it))} |\n" for it in rows)


def cells(operation: Operation) -> tuple[str, ...]:
    path = operation.path.removeprefix("/api/v1")
    named = f"`{operation.method.upper()} {path}`"
    return (named, operation.described["summary"], f"`{permission_of(operation)}`", role_of(operation).value)


def test_page_of_the_reference_lists_every_operation() -> None:
    if os.environ.get("WAYPOST_WRITE_ROLES"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


RUN = {
    "number": 1,
    "ended_at": "2026-01-02T03:04:05+00:00",
    "outcome": "failed",
    "error": SECRET,
    "traceback": SECRET,
    "steps": [{"step": "transform", "outcome": "failed", "detail": SECRET}],
}


class PayloadRows(TenantRows):
    """The rows of a tenant, whose payloads, and the errors that may quote them, hold SECRET."""

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        endpoint = make_endpoint(tenant)
        make_subscription(make_endpoint(tenant), event_types=["*"], pattern={"data": {"note": ["other"]}})
        event = make_event(tenant, data={"note": SECRET}, warnings=[{"pointer": "#/data/note", "detail": SECRET}])
        delivery = make_delivery(event, endpoint, attempts=1)
        attempt = make_attempt(delivery, response=SECRET.encode(), response_headers=f"x-note: {SECRET}\r\n".encode())
        letter = make_dead_letter(delivery, cause="transformation_failed", reason=SECRET)
        receipt = make_receipt(
            make_source(tenant_id=tenant.pk), body=SECRET.encode(), size=len(SECRET), headers={"x-note": SECRET}
        )
        Receipt.objects.filter(pk=receipt.pk).update(last_error=SECRET, history=[RUN])
        rejection = Rejection.objects.create(source=receipt.source, reason="no_match", headers={"x-note": SECRET})
        schedule = make_schedule(tenant, event={"type": "order.paid", "data": {"note": SECRET}})
        Schedule.objects.filter(pk=schedule.pk).update(last_error=SECRET)
        inspector = create_inspector(tenant)
        keep_request(inspector, Arrival("POST", "/", {"x-note": SECRET}, SECRET.encode()))
        self.ids = {
            "events": event.public_id,
            "deliveries": delivery.public_id,
            "deliveries/attempts": attempt.public_id,
            "dead-letters": letter.public_id,
            "receipts": receipt.public_id,
            "inspectors": inspector.public_id,
            "rejections": rejection.public_id,
            "schedules": schedule.public_id,
        }

    def id_of(self, kind: str) -> str:
        return self.ids.get(kind) or super().id_of(kind)


def operations_that_show(text: str, tenant: Tenant, rows: TenantRows, role: Role) -> set[str]:
    """Return the reading operations, with everything that they include, whose response to a role has this text."""
    client = client_with(make_key(tenant, role=role)[1])
    found = set()
    for operation in AUTHENTICATED:
        if operation.method == "get" and text in read(client, operation, rows):
            found.add(operation.path.removeprefix("/api/v1"))
    return found


def read(client: APIClient, operation: Operation, rows: TenantRows) -> str:
    """Return the response to a reading operation, with everything that it includes."""
    included = "?include=event,attempts" if operation.path.endswith(("deliveries/", "dead-letters/")) else ""
    response = client.get(operation.path.format_map(rows.ids_in(operation.path)) + included)
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode(errors="replace")


def test_payloads_are_shown_to_support_and_hidden_from_viewers() -> None:
    tenant = make_tenant()
    rows = PayloadRows(tenant)
    assert operations_that_show(SECRET, tenant, rows, Role.SUPPORT) == {
        *("/events/{ref}/", "/events/{ref}/explain/", "/events/{ref}/deliveries/"),
        *("/deliveries/", "/deliveries/{ref}/", "/deliveries/{ref}/request/"),
        *("/deliveries/{ref}/attempts/", "/deliveries/{ref}/attempts/{attempt}/"),
        *("/dead-letters/", "/dead-letters/{ref}/"),
        *("/receipts/", "/receipts/{ref}/", "/receipts/{ref}/attempts/", "/receipts/{ref}/body/"),
        *("/inspectors/{ref}/requests/",),
        *("/rejections/", "/rejections/{ref}/"),
        *SET_UP,
    }
    assert operations_that_show(SECRET, tenant, rows, Role.VIEWER) == set()


def test_each_response_that_shows_a_payload_is_a_look_and_no_other() -> None:
    tenant = make_tenant()
    rows = PayloadRows(tenant)
    shown = operations_that_show(SECRET, tenant, rows, Role.SUPPORT)
    client = client_with(make_key(tenant, role=Role.SUPPORT)[1])
    looked = set()
    for operation in AUTHENTICATED:
        if operation.method == "get":
            before = AuditEntry.objects.filter(action="viewed").count()
            read(client, operation, rows)
            if AuditEntry.objects.filter(action="viewed").count() > before:
                looked.add(operation.path.removeprefix("/api/v1"))
    assert looked == shown - SET_UP


@pytest.mark.parametrize("path", ["events", "deliveries", "dead-letters"])
def test_value_of_a_payload_finds_nothing_for_viewers(path: str) -> None:
    tenant = make_tenant()
    address = f"/api/v1/{path}/?value={SECRET}"
    refused = client_with(make_key(tenant, role=Role.VIEWER)[1]).get(address)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_role")
    assert refused.json()["permission"] == "delivery.view_payload"
    for key in (make_key(tenant, role=Role.SUPPORT), make_key(tenant)):
        assert client_with(key[1]).get(address).status_code == 200


def test_viewer_sees_that_something_is_hidden_and_the_rest() -> None:
    tenant = make_tenant()
    rows = PayloadRows(tenant)
    client = client_with(make_key(tenant, role=Role.VIEWER)[1])
    shown = client.get(f"/api/v1/deliveries/{rows.ids['deliveries']}/attempts/").json()["data"][0]
    assert (shown["status"], shown["response"]) == (500, HIDDEN)
    event = client.get(f"/api/v1/events/{rows.ids['events']}/").json()
    assert event["event"].keys() == {"specversion", "id", "source", "type"}
    inspector = client.get(f"/api/v1/inspectors/{rows.ids['inspectors']}/").json()
    assert inspector["page_url"].startswith("Hidden")
    assert inspector["url"].startswith("http")


def test_errors_that_may_quote_a_payload_say_that_they_are_hidden_and_the_rest_is_shown() -> None:
    tenant = make_tenant()
    rows = PayloadRows(tenant)
    client = client_with(make_key(tenant, role=Role.VIEWER)[1])
    (run,) = client.get(f"/api/v1/receipts/{rows.ids['receipts']}/attempts/").json()["data"]
    assert (run["number"], run["outcome"], run["error"], run["traceback"]) == (1, "failed", HIDDEN, HIDDEN)
    assert run["steps"] == [{"step": "transform", "outcome": "failed", "detail": HIDDEN}]
    letter = client.get(f"/api/v1/dead-letters/{rows.ids['dead-letters']}/").json()
    assert (letter["cause"], letter["reason"]) == ("transformation_failed", HIDDEN)
    explained = client.get(f"/api/v1/events/{rows.ids['events']}/explain/").json()["data"]
    (reason,) = [it for each in explained for it in each["reasons"] if it["code"] == "transformation_failed"]
    assert reason["detail"] == HIDDEN


def test_reason_of_a_dead_letter_that_quotes_nothing_is_shown_and_is_no_look() -> None:
    tenant = make_tenant()
    letter = make_dead_letter(
        make_delivery(make_event(tenant), make_endpoint(tenant)), cause="set_aside", reason="Set aside by ada."
    )
    for role in (Role.VIEWER, Role.SUPPORT):
        client = client_with(make_key(tenant, role=role)[1])
        assert client.get(f"/api/v1/dead-letters/{letter.public_id}/").json()["reason"] == "Set aside by ada."
    assert not AuditEntry.objects.filter(action="viewed").exists()


def test_text_of_an_error_finds_a_receipt_only_for_those_who_may_see_it() -> None:
    tenant = make_tenant()
    rows = PayloadRows(tenant)
    found = {}
    for role in (Role.VIEWER, Role.SUPPORT):
        client = client_with(make_key(tenant, role=role)[1])
        found[role] = [it["id"] for it in client.get(f"/api/v1/receipts/?q={SECRET}").json()["data"]]
        assert len(client.get("/api/v1/receipts/?q=a.b").json()["data"]) == 1  # its event type
    assert found == {Role.VIEWER: [], Role.SUPPORT: [rows.ids["receipts"]]}


@pytest.mark.parametrize(("role", "shown", "looks"), [(Role.VIEWER, HIDDEN, 0), (Role.SUPPORT, SECRET, 1)])
def test_error_of_a_broadcast_is_hidden_from_viewers(role: Role, shown: str, looks: int) -> None:
    row = Broadcast.objects.create(type="a", body=b"", event_id="1", source="/", last_error=SECRET)
    client = client_with(make_key(role=role)[1])
    assert client.get(f"/api/v1/broadcasts/{row.public_id}/").json()["last_error"] == shown
    assert AuditEntry.objects.filter(action="viewed", object_type="broadcast").count() == looks
