"""How a source stands is read, not counted, and what is counted is bounded."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Hour
from webhooks.sources import source_stats

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def this_hour(back: int = 0):
    return timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=back)


def test_hours_without_anything_are_hours_of_zeros() -> None:
    source = make_source()
    Hour.objects.create(source=source, begins_at=this_hour(2), received=5, duplicates=1)
    Hour.objects.create(source=source, begins_at=this_hour(99), received=7)
    Hour.objects.create(source=make_source(), begins_at=this_hour(2), received=9)
    hours = source_stats.hours(source, 24)
    assert [hour.received for hour in hours] == [0] * 21 + [5, 0, 0]
    assert [hour.begins_at for hour in hours] == [this_hour(back) for back in range(23, -1, -1)]
    assert source_stats.totals(hours)["received"] == 5
    assert source_stats.totals(hours)["duplicates"] == 1


def test_what_waits_and_what_is_dead_now_is_of_this_source() -> None:
    source = make_source()
    make_receipt()
    for _ in range(2):
        make_receipt(source)
    make_receipt(source, due_at=None, dead_at=timezone.now(), cause="exhausted")
    make_receipt(source, due_at=None, processed_at=timezone.now())
    assert source_stats.now(source) == source_stats.Now(waiting=2, dead=1, at_least=False)


def test_beyond_a_bound_it_is_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_stats, "MOST_COUNTED", 2)
    source = make_source()
    for _ in range(3):
        make_receipt(source)
    assert source_stats.now(source) == source_stats.Now(waiting=2, dead=0, at_least=True)
