"""Check what a publishing process measures and reports."""

from typing import Any

import pytest

from delivery.load import publisher_meter as module
from delivery.load.publisher_meter import PublisherMeter, publisher_meter
from delivery.models import PublisherReport
from delivery.publishing.group_publish import publish_in_group
from tests.factories import make_tenant
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


class Clock:
    """Tell a time that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_report_has_the_rate_and_the_longest_queue(clock: Clock) -> None:
    meter = PublisherMeter()
    assert not meter.count(3, 1)
    clock.now += module.REPORT_EVERY
    assert meter.count(5, 9)
    assert meter.count(2, 4)
    meter.report()
    row = PublisherReport.objects.get()
    assert row.max_waiting == 9
    assert row.requests_per_second == 10 / module.REPORT_EVERY
    meter.report()  # of another thread, which was told the same
    assert PublisherReport.objects.get() == row
    assert not meter.count(1, 0)


def test_measurement_begins_anew_after_a_pause(clock: Clock) -> None:
    meter = PublisherMeter()
    meter.count(1_000, 500)
    clock.now += module.FORGET_AFTER + 1
    assert not meter.count(1, 2)
    clock.now += module.REPORT_EVERY
    assert meter.count(0, 0)
    meter.report()
    assert PublisherReport.objects.get().max_waiting == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, 20])
def test_publishing_reports_alone_and_in_a_batch(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    tenant = make_tenant()
    items: list[dict[str, Any]] = [{"type": "order.paid", "data": {}} for _ in range(size)]
    publish_in_group(tenant, items)
    monkeypatch.setattr(module, "REPORT_EVERY", 0.0)
    publisher_meter().count(0, 0)
    publish_in_group(tenant, items)
    wait_until(PublisherReport.objects.exists, "the report, which a group writes after its results")
    assert PublisherReport.objects.get().requests_per_second > 0
