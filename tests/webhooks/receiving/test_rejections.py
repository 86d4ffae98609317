"""A sample of what is refused, whatever the flood."""

import pytest

from tests.factories_receiver import make_source
from webhooks.models import Rejection
from webhooks.receiving import rejections
from webhooks.receiving.rejections import PER_MINUTE, Refusal, record_rejection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def flood(source, count: int) -> None:
    for _ in range(count):
        record_rejection(source.id, Refusal("no_match"), {}, "127.0.0.1")


def test_a_flood_is_kept_as_a_few_rows_a_minute_and_the_next_row_counts_the_rest() -> None:
    source = make_source()
    flood(source, 1000)
    assert Rejection.objects.count() == PER_MINUTE
    rejections._minutes[source.id].begun -= 60
    flood(source, 1)
    assert Rejection.objects.latest("id").suppressed_count == 1000 - PER_MINUTE


def test_one_sources_flood_hides_no_others_refusal() -> None:
    loud, quiet = make_source(), make_source()
    flood(loud, 100)
    flood(quiet, 1)
    assert Rejection.objects.filter(source=quiet).count() == 1


def test_whatever_a_refusal_says_fits_its_row() -> None:
    record_rejection(make_source().id, Refusal("r" * 500, "d\0" * 5000), {"a": "b"}, "x" * 60)
    assert len(Rejection.objects.get().detail) == 512
