"""Broadcasts in the admin: a list with their progress, a page, and cancelling."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from delivery.models import Broadcast
from tests.delivery.admin.rows import HOSTILE, operator

pytestmark = pytest.mark.django_db


def make_broadcast(**fields: Any) -> Broadcast:
    return Broadcast.objects.create(
        **{"type": "maintenance.planned", "body": b"", "event_id": "1", "source": "/", "total": 40, **fields}
    )


def page(client: Client, row: Broadcast) -> str:
    response = client.get(reverse("admin:delivery_broadcast_change", args=[row.pk]))
    assert response.status_code == 200
    return str(response.content.decode())


def cancel(client: Client, row: Broadcast) -> int:
    status: int = client.post(reverse("admin:delivery_broadcast_cancel", args=[row.pk])).status_code
    row.refresh_from_db()
    return status


def test_list_shows_type_progress_failures_and_labels() -> None:
    row = make_broadcast(published=9, failed=1, labels={"plan": "gold"})
    everyone = make_broadcast(type="terms.changed")
    shown = operator().get(reverse("admin:delivery_broadcast_changelist")).content.decode()
    for text in (row.public_id, "maintenance.planned", "10 / 40", "plan:gold", everyone.public_id, "All tenants"):
        assert text in shown


def test_page_shows_the_reason_of_the_latest_failure_escaped() -> None:
    shown = page(operator(), make_broadcast(failed=1, last_error=HOSTILE))
    assert "&lt;script&gt;alert(1)" in shown
    assert HOSTILE not in shown


def test_cancel_stops_a_running_broadcast_and_is_logged() -> None:
    row, client = make_broadcast(), operator("change_broadcast")
    assert "Cancel broadcast" in page(client, row)
    assert cancel(client, row) == 302
    assert row.state == "cancelled"
    assert LogEntry.objects.get().change_message == "Cancelled."
    assert "Cancel broadcast" not in page(client, row)


def test_cancel_without_permission_is_forbidden() -> None:
    row, client = make_broadcast(), operator("change_replay")
    assert "Cancel broadcast" not in page(client, row)
    assert cancel(client, row) == 403
    assert row.state == "running"
