"""Errors that may quote a payload: pages hide them from those who may not see payloads, and record the other looks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Model

from config.access.roles import make_roles
from delivery.models import Broadcast, Schedule
from subscriptions.models import Role
from tests.config.admin.pages import page_of, signed_in
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.delivery.schedules.factories import make_schedule
from tests.factories import make_endpoint, make_tenant
from tests.factories_receiver import make_receipt
from webhooks.audit.looks import HIDDEN
from webhooks.audit.models import AuditEntry
from webhooks.models import Receipt

pytestmark = pytest.mark.django_db

QUOTED = "4111-1111-1111-1111"
RUN = {
    "number": 1,
    "ended_at": "2026-01-02T03:04:05+00:00",
    "outcome": "failed",
    "error": f"book: ValueError: {QUOTED}",
    "traceback": f"ValueError: {QUOTED}",
    "steps": [{"step": "transform", "outcome": "failed", "detail": QUOTED}],
}


def receipt() -> Model:
    row = make_receipt(body=b"{}")
    Receipt.objects.filter(pk=row.pk).update(history=[RUN])
    return row


def letter() -> Any:
    delivery = make_delivery(make_event(make_tenant()), make_endpoint())
    return make_dead_letter(delivery, cause="transformation_failed", reason=f"no such card: {QUOTED}")


def dead_delivery() -> Model:
    row: Model = letter().delivery
    return row


def broadcast() -> Model:
    return Broadcast.objects.create(type="a", body=b"", event_id="1", source="/", last_error=f"data: {QUOTED}")


MADE = pytest.mark.parametrize("make", [receipt, letter, dead_delivery, broadcast])


@pytest.fixture(autouse=True)
def roles() -> None:
    make_roles()


def shown_to(role: Role, row: Model) -> str:
    response = signed_in(role).get(page_of(type(row), "change", row.pk))
    assert response.status_code == 200
    return str(response.content.decode())


@MADE
def test_support_sees_the_error_and_the_look_is_recorded(make: Callable[[], Model]) -> None:
    row = make()
    assert QUOTED in shown_to(Role.SUPPORT, row)
    (entry,) = AuditEntry.objects.filter(action="viewed")
    assert (entry.object_type, entry.object_key) == (row._meta.model_name, str(row.pk))


@MADE
def test_viewer_does_not_see_the_error_and_nothing_is_recorded(make: Callable[[], Model]) -> None:
    shown = shown_to(Role.VIEWER, make())
    assert QUOTED not in shown
    assert HIDDEN in shown
    assert not AuditEntry.objects.filter(action="viewed").exists()


def test_viewer_sees_how_a_run_ended_and_which_steps_it_made() -> None:
    shown = shown_to(Role.VIEWER, receipt())
    for part in ("Attempt 1", "failed", "transform failed"):
        assert part in shown


def test_viewer_sees_that_the_transformation_of_a_dead_delivery_failed() -> None:
    assert "Transformation failed" in shown_to(Role.VIEWER, dead_delivery())


def test_dead_letter_whose_reason_quotes_nothing_is_shown_without_a_look() -> None:
    row = letter()
    row.cause, row.reason = "set_aside", "Set aside by ada."
    row.save()
    for role in (Role.VIEWER, Role.SUPPORT):
        assert "Set aside by ada." in shown_to(role, row)
    assert not AuditEntry.objects.filter(action="viewed", object_type="deadletter").exists()


@pytest.mark.parametrize(("role", "sees"), [(Role.VIEWER, False), (Role.SUPPORT, True)])
def test_error_of_a_schedule_is_shown_to_those_who_see_its_event(role: Role, sees: bool) -> None:
    row = make_schedule(make_tenant())
    Schedule.objects.filter(pk=row.pk).update(last_error=f"data: {QUOTED}")
    assert (QUOTED in shown_to(role, row)) is sees
