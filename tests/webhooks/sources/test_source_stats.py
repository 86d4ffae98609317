"""Test the statistics of a source."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import SourceHour
from webhooks.sources import source_stats

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def this_hour(back: int = 0):
    return timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=back)


def test_hourly_counts_of_an_idle_hour_are_zero() -> None:
    source = make_source()
    SourceHour.objects.create(source=source, starts_at=this_hour(2), received=5, duplicates=1)
    SourceHour.objects.create(source=source, starts_at=this_hour(99), received=7)
    SourceHour.objects.create(source=make_source(), starts_at=this_hour(2), received=9)
    hours = source_stats.hourly_counts(source, 24)
    assert [hour.received for hour in hours] == [0] * 21 + [5, 0, 0]
    assert [hour.starts_at for hour in hours] == [this_hour(back) for back in range(23, -1, -1)]
    assert source_stats.totals(hours)["received"] == 5
    assert source_stats.totals(hours)["duplicates"] == 1


def test_current_counts_are_of_this_source_only() -> None:
    source = make_source()
    make_receipt()
    for _ in range(2):
        make_receipt(source)
    make_receipt(source, due_at=None, dead_at=timezone.now(), cause="exhausted")
    make_receipt(source, due_at=None, processed_at=timezone.now())
    assert source_stats.current_counts(source) == source_stats.CurrentCounts(pending=2, dead=1, is_lower_bound=False)


def test_current_counts_over_the_limit_are_a_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_stats, "MAX_COUNTED", 2)
    source = make_source()
    for _ in range(3):
        make_receipt(source)
    assert source_stats.current_counts(source) == source_stats.CurrentCounts(pending=2, dead=0, is_lower_bound=True)
