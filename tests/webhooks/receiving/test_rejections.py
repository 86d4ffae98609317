"""Test the sample of refused requests."""

from typing import Any

import pytest

from tests.factories_receiver import make_source
from webhooks.models import Rejection, Source
from webhooks.receiving import rejections
from webhooks.receiving.rejections import PER_MINUTE, record_rejection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def flood(source: Source, count: int) -> None:
    for _ in range(count):
        record_rejection(Rejection(source_id=source.id, reason="no_match", remote_address="127.0.0.1"))


def test_flood_stores_some_rows_a_minute_and_the_next_row_counts_the_others() -> None:
    source = make_source()
    flood(source, 1000)
    assert Rejection.objects.count() == PER_MINUTE
    rejections._minutes[source.id].started -= 60
    flood(source, 1)
    assert Rejection.objects.latest("id").suppressed_count == 1000 - PER_MINUTE


def test_flood_at_one_source_suppresses_no_rejection_of_another() -> None:
    loud, quiet = make_source(), make_source()
    flood(loud, 100)
    flood(quiet, 1)
    assert Rejection.objects.filter(source=quiet).count() == 1


def test_record_cuts_texts_to_the_columns() -> None:
    texts: dict[str, Any] = {"reason": "r" * 500, "detail": "d\0" * 5000, "headers": {"a": "b"}}
    record_rejection(Rejection(source_id=make_source().id, remote_address="x" * 60, **texts))
    assert len(Rejection.objects.get().detail) == 512
