"""Test what the audit says of operations on work: what was done to which rows, to how many, or to none."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from delivery.admin.operations import operation_path
from delivery.models import Delivery
from tests.delivery.admin.rows import operator
from tests.delivery.alerts.factories import make_alert
from tests.delivery.factories import make_delivery, make_event, make_replay
from tests.factories import make_client, make_endpoint
from tests.factories_receiver import make_receipt, make_source
from tests.staff import staff
from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.operation import Operation, running

pytestmark = pytest.mark.django_db


def make_deliveries(*states: str) -> list[Delivery]:
    endpoint = make_endpoint()
    return [make_delivery(make_event(endpoint.tenant), endpoint, state=state) for state in states]


def reports_of(client: Client, path: str, fields: dict[str, Any] | None = None) -> list[tuple[str, Any]]:
    """Return key and content of the entries that a form leaves."""
    known = set(AuditEntry.objects.values_list("pk", flat=True))
    response = client.post(path, fields or {})
    assert response.status_code in (200, 302), response.status_code
    return list(AuditEntry.objects.exclude(pk__in=known).order_by("id").values_list("object_key", "after"))


def cancel(*deliveries: Delivery) -> list[tuple[str, Any]]:
    path = operation_path("cancel", [it.public_id for it in deliveries])
    return reports_of(operator("change_delivery"), path)


def test_operation_on_one_row_has_one_entry_with_what_was_done() -> None:
    (pending,) = make_deliveries("pending")
    assert cancel(pending) == [(str(pending.pk), {"note": "Cancelled."})]


def test_operation_on_several_rows_has_an_entry_of_each_that_was_changed_and_their_number() -> None:
    first, delivered, second = make_deliveries("pending", "delivered", "pending")
    assert cancel(first, delivered, second) == [
        (str(first.pk), {"note": "Cancelled."}),
        (str(second.pk), {"note": "Cancelled."}),
        ("", {"note": "Cancel", "changed": 2, "unchanged": 1}),
    ]


def test_operation_that_changed_nothing_says_so() -> None:
    first, second = make_deliveries("delivered", "delivered")
    assert cancel(first, second) == [("", {"note": "Cancel", "changed": 0, "unchanged": 2})]
    assert not AuditEntry.objects.filter(object_key__in=[str(first.pk), str(second.pk)]).exists()


def test_action_that_only_leads_to_a_page_that_asks_has_no_entry() -> None:
    (pending,) = make_deliveries("pending")
    chosen = {"action": "cancel", "_selected_action": [str(pending.pk)]}
    assert reports_of(operator("change_delivery"), reverse("admin:delivery_delivery_changelist"), chosen) == []


def test_action_on_rows_that_are_so_already_says_that_nothing_was_changed() -> None:
    endpoint, client = make_endpoint(), staff("view_endpoint", "change_endpoint")
    chosen = {"action": "pause", "_selected_action": [str(endpoint.pk)]}
    page = "/admin/subscriptions/endpoint/"
    ((key, after),) = reports_of(client, page, chosen)
    assert (key, after["state"]) == (str(endpoint.pk), "paused")
    assert reports_of(client, page, chosen) == [(str(endpoint.pk), {"note": "paused", "changed": 0, "unchanged": 1})]


def test_source_that_is_paused_already_is_not_paused_again() -> None:
    source, client = make_source(), staff("view_source", "change_source")
    chosen = {"action": "pause", "_selected_action": [str(source.pk)]}
    ((key, _),) = reports_of(client, "/admin/webhooks/source/", chosen)
    assert key == str(source.pk)
    ((_, after),) = reports_of(client, "/admin/webhooks/source/", chosen)
    assert after == {"note": "paused", "changed": 0, "unchanged": 1}


def test_receipts_that_are_replayed_have_entries_and_pending_ones_are_counted() -> None:
    source = make_source()
    done, pending = make_receipt(source, processed_at=source.created_at, due_at=None), make_receipt(source)
    client = staff("view_receipt", "replay_receipt")
    chosen = {"action": "replay_selected", "_selected_action": [str(done.pk), str(pending.pk)], "confirmed": "yes"}
    assert reports_of(client, "/admin/webhooks/receipt/", chosen) == [
        (str(done.pk), {"note": "replayed"}),
        ("", {"note": "replayed", "changed": 1, "unchanged": 1}),
    ]


def test_alert_that_is_acknowledged_already_is_left_as_it_is() -> None:
    alert, client = make_alert(), operator("acknowledge_alert")
    path = reverse("admin:delivery_alert_acknowledge", args=[alert.pk])
    assert reports_of(client, path) == [(str(alert.pk), {"note": "Acknowledge."})]
    assert reports_of(client, path) == [(str(alert.pk), {"note": "Acknowledge", "changed": 0, "unchanged": 1})]


def test_job_that_has_ended_is_not_cancelled() -> None:
    replay = make_replay(make_endpoint().tenant, state="finished")
    path = reverse("admin:delivery_replay_cancel", args=[replay.pk])
    after = {"note": "Cancel", "changed": 0, "unchanged": 1}
    assert reports_of(operator("change_replay"), path) == [(str(replay.pk), after)]


def test_call_of_the_api_that_changes_nothing_says_so() -> None:
    (cancelled,) = make_deliveries("cancelled")
    client = make_client(cancelled.tenant)
    path = f"/api/v1/deliveries/{cancelled.public_id}/cancel/"
    after = {"note": "cancelled already", "changed": 0, "unchanged": 1}
    assert reports_of(client, path) == [(str(cancelled.pk), after)]


def test_call_of_the_api_on_many_rows_says_how_many() -> None:
    first, _ = make_deliveries("pending", "pending")
    body = {"filter": {"endpoint": first.endpoint.public_id}}
    response = make_client(first.tenant).post("/api/v1/deliveries/cancel/", body)
    assert response.status_code == 200
    assert AuditEntry.objects.latest("id").after == {"note": "cancelled", "changed": 2, "unchanged": 0}


def test_statement_that_changes_no_row_has_no_entry() -> None:
    (delivery,) = make_deliveries("pending")
    count = AuditEntry.objects.count()
    with running(Operation(origin="admin", name="x", actor_type="user", actor_id="1")):
        Delivery.objects.filter(pk=delivery.pk, state="dead").update(attempts=1)
        assert AuditEntry.objects.count() == count
        Delivery.objects.filter(pk=delivery.pk).update(attempts=1)
    assert AuditEntry.objects.count() == count + 1
