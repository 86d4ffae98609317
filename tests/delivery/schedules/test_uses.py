"""Test what people use schedules for, from the request to the events."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.models import Event, Schedule
from delivery.schedules.due import run
from tests.delivery.schedules.factories import make_due
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1/schedules/"


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.schedule_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: None)


def create(client: Any, expression: str, **fields: Any) -> Schedule:
    body = {"expression": expression, "event": {"type": "reminder.due"}, **fields}
    response = client.post(API, body, format="json")
    assert response.status_code == 201, response.content
    return Schedule.objects.latest("id")


def data_of(event: Event) -> Any:
    return orjson.loads(bytes(event.body))["data"]


def test_reminder_on_one_evening_in_helsinki_is_sent_once_and_its_schedule_deleted() -> None:
    year = timezone.now().year + 1
    evening = {"timezone": "Europe/Helsinki", "action_after_completion": "delete", "uid": "xmas"}
    schedule = create(make_client(make_tenant()), f"at({year}-12-24T18:00:00)", **evening)
    assert schedule.next_at == datetime(year, 12, 24, 16, tzinfo=UTC)
    make_due(schedule)
    assert (run(), run()) == (1, 0)
    assert (Event.objects.count(), Schedule.objects.count()) == (1, 0)


def test_end_of_day_comes_in_the_zone_of_each_customer() -> None:
    zones = ("Pacific/Auckland", "Asia/Kolkata", "Europe/Helsinki", "America/Los_Angeles")
    client = make_client(make_tenant())
    schedules = {it: create(client, "cron(59 23 * * ? *)", timezone=it, group="end-of-day") for it in zones}
    for zone, schedule in schedules.items():
        assert schedule.next_at is not None
        local = schedule.next_at.astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute) == (23, 59)
        assert schedule.next_at - timezone.now() <= timedelta(hours=25)
    assert len({it.next_at for it in schedules.values()}) == len(zones)
    listed = client.get(f"{API}?group=end-of-day").json()["data"]
    assert len(listed) == len(zones)


def test_reminders_before_a_date_come_on_their_days() -> None:
    expiry = date.today() + timedelta(days=60)
    client = make_client(make_tenant())
    schedules = []
    for days in (45, 30, 15, 3, 1):
        event = {"type": "contract.expires", "subject": "C-7", "data": {"days": days}}
        at = f"at({expiry - timedelta(days=days)}T09:00:00)"
        schedules.append(create(client, at, event=event, uid=f"C-7-{days}", action_after_completion="delete"))
    due = [it.next_at.date() for it in schedules if it.next_at is not None]
    assert [(expiry - it).days for it in due] == [45, 30, 15, 3, 1]
    for schedule in schedules:
        make_due(schedule)
        run()
    assert [data_of(it)["days"] for it in Event.objects.order_by("id")] == [45, 30, 15, 3, 1]
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("expression", ["rate(10 minutes)", "cron({minute}/10 * * * ? *)", "{minute}-59/10 * * * *"])
def test_refresh_every_ten_minutes_goes_on_by_its_cadence(expression: str) -> None:
    due = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    given = expression.format(minute=due.minute % 10)
    schedule = create(make_client(make_tenant()), given, event={"type": "cache.refresh"})
    assert schedule.next_at is not None
    for number in range(3):
        at = make_due(schedule, due + timedelta(seconds=number))
        assert run() == 1
        schedule.refresh_from_db()
        assert schedule.next_at is not None
        assert timedelta(minutes=9) < schedule.next_at - at <= timedelta(minutes=10)
    assert Event.objects.filter(type="cache.refresh").count() == 3
