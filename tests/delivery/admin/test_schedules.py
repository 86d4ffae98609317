"""Schedules in the admin: the list, the form with its errors, the preview, run, pause and resume."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from delivery import notify
from delivery.models import Event, Schedule
from tests.delivery.admin.rows import HOSTILE, operator
from tests.delivery.schedules.factories import make_schedule
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db

CHANGE = "change_schedule"


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def url(name: str, *arguments: Any) -> str:
    return reverse(f"admin:delivery_schedule_{name}", args=arguments)


def fields(**changes: Any) -> dict[str, Any]:
    """Return the fields of the form."""
    return {
        "uid": "",
        "group": "default",
        "description": "",
        "expression": "cron(0 10 ? * MON-FRI *)",
        "timezone": "Europe/Berlin",
        "start_at_0": "",
        "start_at_1": "",
        "end_at_0": "",
        "end_at_1": "",
        "flexible_window_minutes": "0",
        "catch_up": "latest",
        "action_after_completion": "none",
        "event": json.dumps({"type": "reminder.due"}),
        **changes,
    }


def text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def test_list_shows_expression_zone_and_state() -> None:
    row = make_schedule(uid="morning", timezone="Europe/Helsinki")
    shown = text(operator(), url("changelist"))
    for part in (row.public_id, "morning", "cron(0 9 * * ? *)", "Europe/Helsinki", "active"):
        assert part in shown


def test_page_shows_the_next_ten_occurrences_in_the_zone_and_in_utc() -> None:
    row = make_schedule(
        expression="cron(0 4 ? * SUN *)", timezone="Europe/Helsinki", start_at=None, description=HOSTILE
    )
    shown = text(operator(CHANGE), url("change", row.pk))
    assert shown.count("T04:00:00+0") == 10
    assert "Europe/Helsinki" in shown
    assert HOSTILE not in shown


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?expression=cron(0 9 1 1 ? *)&timezone=Asia/Tokyo", "T09:00:00+09:00"),
        ("?expression=cron(0 25 1 1 ? *)", "hours field"),
        ("?expression=rate(1 hour)&timezone=Mars/Olympus", "Unknown time zone"),
    ],
)
def test_page_previews_other_times(query: str, expected: str) -> None:
    client = operator("add_schedule", CHANGE)
    assert expected in text(client, url("add") + query)
    assert expected in text(client, url("change", make_schedule().pk) + query)


def test_form_creates_and_changes_a_schedule() -> None:
    tenant, client = make_tenant(), operator("add_schedule", CHANGE)
    made = client.post(url("add"), {"tenant": str(tenant.pk), **fields(uid="morning")})
    assert made.status_code == 302, made.content
    row = Schedule.objects.get()
    assert (row.uid, row.tenant_id, row.event) == ("morning", tenant.pk, {"type": "reminder.due"})
    assert row.next_at is not None
    changed = client.post(url("change", row.pk), fields(uid="morning", expression="rate(2 hours)"))
    assert changed.status_code == 302, changed.content
    assert Schedule.objects.get().expression == "rate(2 hours)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expression": "cron(0 25 * * ? *)"}, "hours field"),
        ({"expression": "at(2001-01-01T00:00:00)"}, "Lies in the past"),
        ({"timezone": "Europe/Berlni"}, "Europe/Berlin"),
        ({"event": '{"type": "waypost.x"}'}, "reserved"),
        ({"event": "{"}, "valid JSON"),
    ],
)
def test_form_names_what_is_wrong_and_writes_nothing(changes: dict[str, Any], message: str) -> None:
    client = operator("add_schedule")
    shown = client.post(url("add"), {"tenant": str(make_tenant().pk), **fields(**changes)})
    assert message in shown.content.decode()
    assert not Schedule.objects.exists()


def test_buttons_run_pause_and_resume() -> None:
    row, client = make_schedule(), operator(CHANGE)
    assert client.post(url("run", row.pk)).status_code == 302
    assert Event.objects.count() == 1
    client.post(url("pause", row.pk))
    row.refresh_from_db()
    assert (row.state, row.next_at) == ("paused", None)
    assert "Resume" in text(client, url("change", row.pk))
    client.post(url("resume", row.pk))
    row.refresh_from_db()
    assert row.state == "active"
    logged = list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))
    assert logged == ["Run by hand.", "paused", "resumed"]


def test_buttons_need_the_permission() -> None:
    assert operator().post(url("run", make_schedule().pk)).status_code == 403
    assert not Event.objects.exists()


def test_buttons_need_a_post() -> None:
    assert operator(CHANGE).get(url("run", make_schedule().pk)).status_code == 405
    assert not Event.objects.exists()
