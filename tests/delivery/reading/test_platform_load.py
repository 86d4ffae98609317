"""Check the figures of the whole platform, and those that are kept each minute."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.lifecycle.sweep import sweep
from delivery.models import DrainReport, Lane, LoadMinute
from delivery.reading import platform_load as module
from delivery.reading.platform_load import platform_load, recent_minutes
from delivery.sql.load import backlog
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.factories_load import make_drain_report
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


def test_publish_rate_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = make_tenant()
    assert platform_load().published_per_second == 0
    now = timezone.now()
    for seconds in (1, 2, 3, 60):
        make_event(tenant, created_at=now - timedelta(seconds=seconds))
    assert platform_load().published_per_second == 0.3
    for limit in (module, backlog):
        monkeypatch.setattr(limit, "MAX_EVENTS", 2)
    assert 0.5 <= platform_load().published_per_second <= 1.0  # two events within 2 s, or a little more


def test_due_deliveries_are_counted_without_those_of_later_retries_and_up_to_a_bound() -> None:
    endpoint = make_endpoint()
    now = timezone.now()
    for seconds in (-3, -2, 60):
        make_delivery(make_event(endpoint.tenant), endpoint, next_attempt_at=now + timedelta(seconds=seconds))
    make_delivery(make_event(endpoint.tenant), endpoint, state="delivered")
    assert platform_load().due == 0  # no lane is due or leased
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=now)
    load = platform_load()
    assert (load.due, load.due_is_lower_bound) == (2, False)


def test_figures_of_all_drains_are_added_or_averaged() -> None:
    make_drain_report(1), make_drain_report(2, minute_load=1.0, load=1.0, waiting=0.6, in_flight=4, machine_cpu=0.7)
    load = platform_load()
    assert (load.used, load.in_flight, load.machine_cpu) == (0.375, 11, 0.7)
    assert load.waiting == pytest.approx(0.35)
    assert load.settled_per_second == pytest.approx(199.92)


def test_sweep_keeps_the_figures_of_each_minute_for_a_day_and_deletes_reports_of_ended_processes() -> None:
    now = timezone.now()
    figures = {"used": 0, "waiting": 0, "machine_cpu": 0, "published_per_second": 0, "settled_per_second": 0}
    for hours in (2, 25):
        LoadMinute.objects.create(begins_at=now - timedelta(hours=hours), drains=1, due=0, seconds_behind=0, **figures)
    make_drain_report(1), make_drain_report(2, reported_at=now - timedelta(hours=1))
    sweep()
    sweep()  # of the same minute, or the next
    assert LoadMinute.objects.filter(begins_at__lt=now - timedelta(hours=1)).count() == 1
    kept = recent_minutes(timedelta(hours=1))
    assert 1 <= len(kept) <= 2
    assert (kept[0].used, kept[0].settled_per_second) == (0.25, 99.96)
    assert not LoadMinute.objects.filter(begins_at__lt=now - timedelta(hours=24, minutes=1)).exists()
    assert [it.pid for it in DrainReport.objects.all()] == [1]
