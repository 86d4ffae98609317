"""Test that what readers store is counted in the transaction that stores it, whatever dies."""

import pytest

from tests.webhooks.readers.conftest import read_source
from tests.webhooks.readers.scripted import System
from tests.webhooks.sources.kinds.reading import POINTS, make_due, read_in_child_that_dies, read_once
from webhooks.models import Receipt, SourceHour
from webhooks.readers.leases import LeaseLost
from webhooks.sources import source_counts


def counted() -> dict[str, int]:
    """Return the sums of all hours that are stored, without what is counted in memory."""
    hours = list(SourceHour.objects.all())
    sums = {kind: sum(getattr(hour, kind) for hour in hours) for kind in source_counts.KINDS}
    return {kind: number for kind, number in sums.items() if number}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("receiver", "rules")
def test_records_are_counted_once_each_whenever_their_reader_is_killed(system: System) -> None:
    read_source()
    system.add(*(b'{"n": %d}' % number for number in range(12)))
    for point in POINTS:
        assert read_in_child_that_dies(point, most=3)
        assert counted().get("received", 0) == Receipt.objects.count()
    make_due()
    read_once()
    assert (counted(), Receipt.objects.count()) == ({"received": 12, "processed": 12}, 12)


@pytest.mark.django_db
@pytest.mark.usefixtures("receiver", "rules")
def test_records_are_counted_by_their_results(system: System) -> None:
    read_source(max_bytes=20)
    system.add(b'{"n": 1}', b"x" * 30)
    system.add(b"no", problem="Is not readable.")
    system.partitions[""].append(system.partitions[""][0])
    make_due()
    read_once()
    assert counted() == {"received": 2, "duplicates": 1, "rejected": 1, "dead": 1, "processed": 2}


@pytest.mark.django_db
@pytest.mark.usefixtures("receiver", "rules")
def test_transaction_that_fails_counts_nothing(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    read_source()
    system.add(b'{"n": 1}')
    real = source_counts.count_committed

    def count_and_fail(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise LeaseLost

    monkeypatch.setattr(source_counts, "count_committed", count_and_fail)
    make_due()
    assert read_once() == 0
    assert (counted(), Receipt.objects.count()) == ({}, 0)
