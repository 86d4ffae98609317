"""The schedule task: each occurrence published once, by turns, whatever fails."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db import connection, transaction

from delivery import notify
from delivery.models import Delivery, Event, Schedule, ScheduleQueue
from delivery.schedules import due
from delivery.schedules.due import run
from delivery.schedules.schedules import change_schedule, create_schedule
from delivery.sql.schedules import queues
from subscriptions.tenants.tenants import delete_tenant
from tests.database_url import database_url
from tests.delivery.schedules.factories import EVENT, make_due, make_schedule
from tests.factories import make_endpoint, make_plan, make_subscription, make_tenant
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.schedule_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: None)


def document(event: Event) -> Any:
    return orjson.loads(bytes(event.body))


def test_due_schedule_publishes_its_event_and_has_its_next_occurrence() -> None:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant))
    row = make_schedule(tenant, expression="rate(1 day)")
    at = make_due(row)
    assert run() == 1
    event = Event.objects.get()
    text = at.isoformat().replace("+00:00", "Z")
    assert document(event) == {
        "specversion": "1.0",
        "id": f"{row.public_id}-{at:%Y%m%dT%H%M%SZ}",
        "source": f"urn:waypost:{row.public_id}",
        "type": "reminder.due",
        "time": text,
        "data": {"at": text, "id": row.public_id, "n": "1"},
    }
    assert Delivery.objects.count() == 1
    row.refresh_from_db()
    assert row.next_at is not None
    assert row.next_at > database_now()
    assert (row.last_at, row.occurrences, row.failures, row.last_error) == (at, 1, 0, "")
    assert ScheduleQueue.objects.get().due_at == row.due_at
    assert run() == 0


@pytest.mark.parametrize(("action", "left"), [("none", ["completed"]), ("delete", [])])
def test_one_time_schedule_ends_after_its_occurrence(action: str, left: list[str]) -> None:
    row = make_schedule(
        expression="at(2099-12-24T18:00:00)", timezone="Europe/Helsinki", action_after_completion=action
    )
    assert row.next_at == datetime(2099, 12, 24, 16, tzinfo=UTC)
    make_due(row)
    assert run() == 1
    assert Event.objects.count() == 1
    assert list(Schedule.objects.values_list("state", flat=True)) == left
    assert ScheduleQueue.objects.get().due_at is None


def test_schedule_that_is_not_due_waits() -> None:
    make_schedule()
    assert run() == 0
    assert not Event.objects.exists()


@pytest.mark.parametrize(("catch_up", "events"), [("latest", 1), ("all", 4), ("none", 0)])
def test_missed_occurrences_are_caught_up_as_the_schedule_says(catch_up: str, events: int) -> None:
    row = make_schedule(expression="rate(1 hour)", catch_up=catch_up)
    now = database_now().replace(microsecond=0)
    start = now - timedelta(hours=3, minutes=10)
    Schedule.objects.update(start_at=start)
    make_due(row, start)
    run()
    found = sorted(document(it)["time"] for it in Event.objects.all())
    assert len(found) == events
    if events:
        assert found[-1] == (start + timedelta(hours=3)).isoformat().replace("+00:00", "Z")
    row.refresh_from_db()
    assert row.next_at == start + timedelta(hours=4)
    assert bool(row.last_error) is (catch_up == "none")


def test_event_that_is_not_accepted_is_recorded_and_blocks_no_other() -> None:
    tenant = make_tenant()
    wrong, right = make_schedule(tenant, expression="rate(1 day)"), make_schedule(tenant, expression="rate(1 day)")
    Schedule.objects.filter(pk=wrong.pk).update(template=orjson.dumps({"type": "waypost.forged"}).decode())
    make_due(wrong, ago=2)
    make_due(right, ago=1)
    assert run() == 2
    assert Event.objects.get().event_id.startswith(right.public_id)
    wrong.refresh_from_db()
    assert (wrong.occurrences, wrong.failures) == (0, 1)
    assert wrong.last_error.startswith("type: must not begin with waypost.")
    assert wrong.next_at is not None
    make_due(wrong)
    Schedule.objects.filter(pk=wrong.pk).update(template=right.template)
    run()
    wrong.refresh_from_db()
    assert (wrong.occurrences, wrong.last_error) == (1, "")


def test_one_time_schedule_whose_event_is_not_accepted_is_kept_with_the_reason() -> None:
    row = make_schedule(expression="at(2099-01-01T00:00:00)", action_after_completion="delete")
    Schedule.objects.update(template=orjson.dumps({"type": "waypost.forged"}).decode())
    make_due(row)
    run()
    row.refresh_from_db()
    assert (row.state, row.failures) == ("completed", 1)


@pytest.mark.usefixtures("rate_clock_stopped")
def test_occurrence_beyond_the_publish_rate_stays_due() -> None:
    tenant = make_tenant(plan=make_plan(publish_rate=1))
    rows = [make_schedule(tenant, expression="at(2099-01-01T00:00:00)") for _ in range(3)]
    for row in rows:
        make_due(row)
    run(seconds=0)
    assert Event.objects.count() == 1
    waiting = Schedule.objects.filter(state="active")
    assert waiting.count() == 2
    assert all(it.due_at is not None and it.next_at is not None and it.due_at > it.next_at for it in waiting)


def test_tenants_take_turns() -> None:
    flood, other = make_tenant(), make_tenant()
    for _ in range(7):
        make_due(make_schedule(flood, expression="at(2099-01-01T00:00:00)"), ago=100)
    make_due(make_schedule(other, expression="at(2099-01-01T00:00:00)"), ago=1)
    order = []
    for _ in range(4):
        with transaction.atomic():
            turn = queues.next_turn()
            assert turn is not None
            order.append(turn.tenant_id)
            for key, _length in queues.lock_due(turn, 3):
                Schedule.objects.filter(pk=key).update(due_at=None)
            queues.end_turn(turn)
    assert order == [flood.pk, other.pk, flood.pk, flood.pk]


def test_slice_that_fails_delays_its_tenant_only() -> None:
    broken, other = make_schedule(), make_schedule()
    Schedule.objects.filter(pk=broken.pk).update(timezone="Nowhere/Nowhere")
    make_due(broken, ago=5)
    make_due(other)
    assert run() == 1
    assert Event.objects.get().tenant_id == other.tenant_id
    assert ScheduleQueue.objects.get(tenant=broken.tenant_id).due_at > database_now()


def test_schedules_of_a_deleted_tenant_are_deleted() -> None:
    row = make_schedule()
    delete_tenant(row.tenant)
    assert not Schedule.objects.exists()
    assert not ScheduleQueue.objects.exists()
    assert run() == 0


def test_schedule_that_is_being_changed_is_skipped_and_found_again() -> None:
    row = make_schedule(expression="rate(1 day)")
    make_due(row)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            other.set_autocommit(False)
            cursor.execute("SELECT FROM delivery_schedule WHERE id = %s FOR NO KEY UPDATE", [row.pk])
            assert due._run_turn() == 0
            other.rollback()
    finally:
        other.close()
    assert run() == 1


def test_flexible_window_spreads_schedules_and_keeps_their_places() -> None:
    tenant = make_tenant()
    rows = [make_schedule(tenant, expression="at(2099-01-01T00:00:00)", flexible_window_minutes=60) for _ in range(20)]
    delays = [(it.due_at - it.next_at).total_seconds() for it in rows if it.due_at and it.next_at]
    assert len(set(delays)) > 10
    assert all(0 <= delay < 3600 for delay in delays)
    moved = change_schedule(rows[0], {"expression": "at(2098-01-01T00:00:00)"})
    assert moved.due_at is not None
    assert moved.next_at is not None
    assert (moved.due_at - moved.next_at).total_seconds() == delays[0]


def test_paused_schedule_publishes_nothing_and_resumes_without_what_it_missed() -> None:
    row = make_schedule(expression="rate(1 day)")
    make_due(row, ago=3600)
    change_schedule(row, {"state": "paused"})
    assert run() == 0
    resumed = change_schedule(row, {"state": "active"})
    assert resumed.next_at is not None
    assert resumed.next_at > database_now()
    assert not Event.objects.exists()


def test_workers_side_by_side_publish_each_occurrence_once() -> None:
    for _ in range(4):
        tenant = make_tenant()
        for _ in range(5):
            make_due(make_schedule(tenant, expression="rate(1 day)"))
    with ThreadPoolExecutor(4) as threads:
        settled = list(threads.map(lambda _: _in_a_thread(), range(4)))
    assert sum(settled) + run() == 20
    assert Event.objects.count() == 20
    assert set(Schedule.objects.values_list("occurrences", flat=True)) == {1}


def _in_a_thread() -> int:
    try:
        return run()
    finally:
        connection.close()


# Forks a worker for each statement that a run executes, which kills itself before this one. Prints how many did.
CRASH = """
import os, signal
import django
django.setup()
import delivery.sql.due, delivery.sql.publish
from config.local import embedded
from delivery import notify
from delivery.publishing import publish_rate
from delivery.schedules import due
from delivery.sql.schedules import queues

for starter in (notify.drain_starter, notify.fan_out_starter, notify.schedule_starter):
    starter.notify = starter.send = lambda: None


def kill_before(statement):
    executed = 0

    def dies(run):
        def call(*arguments):
            nonlocal executed
            executed += 1
            if executed == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return run(*arguments)
        return call

    for module in (queues, delivery.sql.publish, delivery.sql.due):
        module.run = dies(module.run)


killed = 0
while True:
    child = os.fork()
    if child == 0:
        kill_before(killed + 1)
        due.run()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        break
    killed += 1
print(killed, os.waitstatus_to_exitcode(status))
"""


def test_worker_killed_before_any_statement_loses_and_repeats_nothing() -> None:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant))
    rows = [create_schedule(tenant, expression="rate(1 day)", event=EVENT) for _ in range(3)]
    for row in rows:
        make_due(row)
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WAYPOST_DATA": str(settings.WAYPOST_DATA),
    }
    done = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=True)
    killed, last = map(int, done.stdout.split())
    assert (killed >= 6, last) == (True, 0)
    assert run() == 0
    assert Event.objects.count() == Delivery.objects.count() == 3
    assert list(Schedule.objects.values_list("occurrences", flat=True)) == [1, 1, 1]
