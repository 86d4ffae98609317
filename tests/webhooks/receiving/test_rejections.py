"""Test the sample of refused requests."""

import io

import pytest

from tests.factories_receiver import make_receipt, make_source
from tests.webhooks.receiving import shells
from webhooks.kit.native_request import NativeRequest
from webhooks.models import Rejection, Source
from webhooks.receiving import rejections
from webhooks.receiving.rejections import PER_MINUTE, record_rejection, write_rejections
from webhooks.sources.snapshot import find_source
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def flood(source: Source, count: int) -> None:
    for _ in range(count):
        record(source)


def record(source: Source, reason: str = "no_match", detail: str = "", address: str = "127.0.0.1") -> None:
    snapshot = find_source(source.public_id)
    assert snapshot is not None
    request = NativeRequest(
        "POST", "http", "x", "/", "", {"a": "b"}, address, False, address, shells.Body(io.BytesIO(), 0)
    )
    record_rejection(snapshot, request, reason, detail)


def test_flood_stores_some_rows_a_minute_and_the_next_row_counts_the_others() -> None:
    source = make_source()
    flood(source, 1000)
    assert Rejection.objects.count() == PER_MINUTE
    minute = rejections._minutes.get(source.id)
    assert minute is not None
    minute.started -= 60
    flood(source, 1)
    assert Rejection.objects.latest("id").suppressed_count == 1000 - PER_MINUTE


def test_flood_at_one_source_suppresses_no_rejection_of_another() -> None:
    loud, quiet = make_source(), make_source()
    flood(loud, 100)
    flood(quiet, 1)
    assert Rejection.objects.filter(source=quiet).count() == 1


def test_record_cuts_texts_to_the_columns() -> None:
    record(make_source(), "r" * 500, "d\0" * 5000, "x" * 80)
    rejection = Rejection.objects.get()
    assert (len(rejection.reason), len(rejection.detail), len(rejection.remote_address)) == (64, 512, 64)


def test_write_rejections_notes_the_newest_valid_message_of_each_source() -> None:
    one, other, unused = make_source(), make_source(), make_source()
    make_receipt(one, secret_id=new_id())
    newest = make_receipt(one, secret_id=new_id())
    make_receipt(other, secret_id=None)
    write_rejections([Rejection(source_id=source.id, reason="no_match") for source in (one, other, unused)])
    noted = {rejection.source_id: rejection.last_valid_secret_id for rejection in Rejection.objects.all()}
    assert noted == {one.id: newest.secret_id, other.id: None, unused.id: None}
    assert Rejection.objects.get(source=one).last_valid_at == newest.received_at
    assert Rejection.objects.get(source=unused).last_valid_at is None
