"""A program writes that it is alive; one row stays for it, and none when it ends."""

import os
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from delivery.load import heartbeats, roles
from delivery.load.drain_meter import DrainMeter
from delivery.load.heartbeats import WRITE_EVERY, HeartbeatWriter
from delivery.models import Heartbeat
from delivery.sql.load.heartbeats import FORGOTTEN_AFTER, delete_old_heartbeats
from webhooks.version import VERSION

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(heartbeats, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_heartbeat_names_the_program_its_version_and_its_last_work(clock: SimpleNamespace) -> None:
    heartbeat = HeartbeatWriter(roles.WORKER, "work")
    heartbeat.on_work("delivery.sweep")
    clock.now += 100.0
    heartbeat.write()
    row = Heartbeat.objects.get()
    assert (row.role, row.name, row.pid, row.version) == ("worker", "work", os.getpid(), VERSION)
    assert row.memory > 1024**2
    assert row.last_work == "delivery.sweep"
    assert row.last_work_at is not None
    assert row.reported_at - row.last_work_at == row.reported_at - row.started_at == timedelta(seconds=100)


def test_heartbeat_is_written_every_few_seconds_into_one_row(clock: SimpleNamespace) -> None:
    heartbeat = HeartbeatWriter(roles.WEB, "web")
    heartbeat.write()
    first = Heartbeat.objects.get()
    heartbeat.write()
    assert Heartbeat.objects.get().reported_at == first.reported_at
    Heartbeat.objects.update(reported_at=timezone.now() - timedelta(hours=1))
    clock.now += WRITE_EVERY
    heartbeat.write()
    assert Heartbeat.objects.get().reported_at >= first.reported_at


@pytest.mark.parametrize(("seconds", "is_gap"), [(10, False), (29, False), (31, True), (-10, True)])
def test_heartbeat_says_since_when_the_program_has_reported_without_a_gap(
    clock: SimpleNamespace, seconds: float, is_gap: bool
) -> None:
    heartbeat = HeartbeatWriter(roles.WEB, "web")
    heartbeat.write()
    earlier = timezone.now() - timedelta(hours=1)
    Heartbeat.objects.update(reported_at=timezone.now() - timedelta(seconds=seconds), reporting_since=earlier)
    clock.now += WRITE_EVERY
    heartbeat.write()
    assert (Heartbeat.objects.get().reporting_since != earlier) is is_gap


def test_restarted_program_takes_the_row_of_the_one_before_which_cannot_delete_it() -> None:
    before, after = HeartbeatWriter(roles.DRAIN, "deliver"), HeartbeatWriter(roles.DRAIN, "deliver", is_child=True)
    before.write()
    after.write()
    assert Heartbeat.objects.get().pid == os.getppid()
    before.stop()
    assert Heartbeat.objects.count() == 1
    after.stop()
    assert Heartbeat.objects.count() == 0


def test_drain_writes_the_heartbeat_of_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_begun", {})
    state = {"in_flight": 0, "max_in_flight": 1, "held": 0, "lanes": 0}
    DrainMeter().report(**state)
    assert Heartbeat.objects.count() == 0  # a project that does not say who its programs are
    heartbeats.begin(roles.DRAIN, "deliver")
    meter = DrainMeter()
    meter.on_turn_ended(0.1, 3)
    meter.report(**state)
    row = Heartbeat.objects.get()
    assert (row.name, row.last_work) == ("deliver", "attempts")


def test_program_that_was_killed_is_forgotten_after_an_hour() -> None:
    HeartbeatWriter(roles.WEB, "web").write()
    delete_old_heartbeats()
    assert Heartbeat.objects.count() == 1
    Heartbeat.objects.update(reported_at=timezone.now() - timedelta(seconds=FORGOTTEN_AFTER + 60))
    delete_old_heartbeats()
    assert Heartbeat.objects.count() == 0


def test_fork_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_begun", {})
    heartbeat = heartbeats.begin(roles.WORKER, "work")
    assert heartbeats.current() is heartbeat
    child = os.fork()
    if not child:
        os._exit(0 if heartbeats.current() is None else 1)
    assert os.waitpid(child, 0)[1] == 0
