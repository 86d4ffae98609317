"""Check what a drain measures of itself, and when it reports."""

import os
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.load import drain_meter
from delivery.load.drain_meter import DrainMeter
from delivery.models import DrainReport

pytestmark = pytest.mark.django_db
STATE = {"in_flight": 3, "max_in_flight": 2048, "held": 5, "lanes": 2}


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_report_tells_working_from_waiting_and_from_idle() -> None:
    meter = DrainMeter()
    began = time.monotonic()
    spin(0.1)
    time.sleep(0.1)  # as a statement does: neither working nor idle
    meter.on_turn_ended(time.monotonic() - began, 12)
    time.sleep(0.2)  # idle
    meter.claimed += 40
    meter.settled += 20
    meter.report(**STATE)
    row = DrainReport.objects.get()
    elapsed = 20 / row.settled_per_second
    assert elapsed >= 0.4 - 0.01
    assert 0.2 / elapsed - 0.01 <= row.load <= 1 - 0.2 / elapsed + 0.01
    assert 0.1 / elapsed - 0.01 <= row.waiting <= row.load - 0.1 / elapsed + 0.01
    assert row.cpu >= 0.1 / elapsed - 0.01
    assert 0 <= row.machine_cpu <= 1
    assert row.claimed_per_second == pytest.approx(40 / elapsed)
    assert (row.turn_size, row.in_flight, row.held, row.lanes, row.pid) == (12, 3, 5, 2, os.getpid())


def test_turns_without_work_do_not_make_turns_smaller() -> None:
    meter = DrainMeter()
    meter.on_turn_ended(0.001, 30)
    for _ in range(10):
        meter.on_turn_ended(0.001, 0)
    meter.report(**STATE)
    assert DrainReport.objects.get().turn_size == 30


def test_process_keeps_one_report_with_the_latest_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    an_hour_ago = time.monotonic() - 3600
    with monkeypatch.context() as patch:
        patch.setattr(drain_meter.time, "monotonic", lambda: an_hour_ago)
        meter = DrainMeter()
    meter.report(**STATE)
    first = DrainReport.objects.get()
    meter.report(**{**STATE, "lanes": 9})
    DrainMeter().report(**{**STATE, "lanes": 10})  # the next drain of the process
    row = DrainReport.objects.get()
    assert (row.pk, row.lanes) == (first.pk, 10)
    assert row.reported_at >= first.reported_at
    assert row.started_at - first.started_at > timedelta(minutes=59)


def test_report_is_due_after_a_while_and_at_the_end_only_if_the_process_was_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = DrainMeter()
    assert not first.is_due()
    first.report(**STATE)
    assert not DrainMeter().is_due(at_end=True)
    monkeypatch.setattr(drain_meter, "REPORT_EVERY", 0.0)
    assert first.is_due()
    assert DrainMeter().is_due(at_end=True)


@pytest.mark.parametrize(
    ("mine", "other", "seconds_ago", "is_idler"),
    [(1.0, 0.1, 1, True), (1.0, 0.8, 1, False), (0.3, 0.0, 1, False), (1.0, 0.1, 3600, False)],
)
def test_busy_drain_finds_another_one_that_has_reported_half_of_its_load(
    mine: float, other: float, seconds_ago: int, is_idler: bool
) -> None:
    meter = DrainMeter()
    meter.report(**STATE)
    DrainReport.objects.update(load=0.0)  # its own report is none of another one
    meter.load = mine
    assert not meter.is_another_drain_idler()
    row = DrainReport.objects.get()
    row.pk, row.pid, row.load = None, row.pid + 1, other
    row.reported_at = timezone.now() - timedelta(seconds=seconds_ago)
    row.save()
    assert meter.is_another_drain_idler() == is_idler
