"""Check what a publishing process measures and reports."""

import time
from typing import Any

import pytest

from delivery.load import publisher_meter as module
from delivery.load.publisher_meter import PublisherMeter, publisher_meter
from delivery.models import PublisherReport
from delivery.publishing.group_publish import publish_in_group
from tests.factories import make_tenant
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


def test_report_has_the_rate_and_the_longest_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = PublisherMeter()
    assert not meter.count(3, 1)
    monkeypatch.setattr(module, "REPORT_EVERY", 0.05)
    time.sleep(0.05)
    assert meter.count(5, 9)
    assert meter.count(2, 4)
    meter.report()
    row = PublisherReport.objects.get()
    assert row.max_waiting == 9
    assert 0 < row.requests_per_second <= 10 / 0.05
    meter.report()  # of another thread, which was told the same
    assert PublisherReport.objects.get() == row
    assert not meter.count(1, 0)


def test_measurement_begins_anew_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = PublisherMeter()
    meter.count(1_000, 500)
    monkeypatch.setattr(module, "FORGET_AFTER", 0.01)
    time.sleep(0.02)
    monkeypatch.setattr(module, "REPORT_EVERY", 0.0)
    assert meter.count(1, 2)
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
