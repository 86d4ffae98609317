"""Test handlers whose receipts they cannot read, or that match none of them."""

import gzip

import orjson
import pytest

from tests.factories_receiver import make_receipt, make_source
from webhooks.kit.bodies.claim_check import INLINE_MAX, IncomingBody
from webhooks.models import Receipt, Source
from webhooks.processing.handlers import handles
from webhooks.processing.process import process_due
from webhooks.sources.source_counts import source_counts
from webhooks.sources.source_stats import UNHANDLED
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def make_large(body: bytes, source: Source | None = None, **changes) -> Receipt:
    """Create a due receipt whose body is in storage."""
    incoming = IncomingBody(new_id(), lambda _: None)
    incoming.add(body)
    incoming.flush()
    stored = incoming.store()
    return make_receipt(source, body=None, body_key=stored.key, size=stored.size, sha256=stored.sha256, **changes)


def processed(receipt: Receipt) -> Receipt:
    process_due()
    receipt.refresh_from_db()
    return receipt


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"<xml/>", {}, "the body is not JSON: Expecting value at line 1, column 1"),
        (b"{}", {"content-encoding": "gzip"}, "the body has invalid compressed data"),
        (b"{}", {"content-encoding": "br"}, "unsupported content encoding 'br'"),
    ],
)
def test_handler_that_cannot_read_the_body_as_json_fails_once_with_the_reason(body, headers, reason) -> None:
    handles()(lambda receipt: receipt.json())
    receipt = processed(make_receipt(body=body, headers=headers))
    assert (receipt.state, receipt.cause, receipt.attempts) == ("dead", "unreadable_body", 1)
    assert reason in receipt.last_error


def test_handler_that_cannot_read_the_body_as_a_form_fails_once() -> None:
    handles()(lambda receipt: receipt.form())
    receipt = processed(make_receipt())
    assert (receipt.state, receipt.cause) == ("dead", "unreadable_body")
    assert "is no form: its content type is application/json" in receipt.last_error


def test_handler_gets_long_integers_as_they_were_sent() -> None:
    seen = []
    handles()(lambda receipt: seen.append(receipt.json()))
    processed(make_receipt(body=b'{"id": 18446744073709551617}'))
    assert seen == [{"id": 18446744073709551617}]


@pytest.mark.parametrize("packed", [False, True])
def test_pattern_matches_the_data_of_a_large_body(packed: bool) -> None:
    seen = []
    handles(pattern={"data": {"order": {"total": [{"numeric": [">", 10]}]}, "tags": ["b"]}})(seen.append)
    body = orjson.dumps({"file": "x" * INLINE_MAX * 2, "order": {"total": 12}, "tags": ["a", "b"]})
    other = orjson.dumps({"file": "x" * INLINE_MAX * 2, "order": {"total": 9}, "tags": ["a", "b"]})
    headers = {"content-encoding": "gzip"} if packed else {}
    receipts = [make_large(gzip.compress(it, 0) if packed else it, headers=headers) for it in (body, other)]
    process_due()
    assert [receipt.id for receipt in seen] == [receipts[0].id]


def test_sequence_of_a_large_body_is_read() -> None:
    source = make_source(sequence_path="body:/at", skip_out_of_order=True)
    handles()(lambda receipt: None)
    bodies = [b'{"file":"' + b"x" * INLINE_MAX + b'","at":%d}' % number for number in (2, 1)]
    first, second = [make_large(body, source) for body in bodies]
    assert (processed(first).skipped, processed(second).skipped) == (False, True)


def test_receipt_that_matches_no_handler_is_visible_as_unhandled() -> None:
    handles("*", {"type": ["other"]})(lambda receipt: None)
    handled, unhandled = make_receipt(event_type="other"), make_receipt()
    process_due()
    source_counts.write()
    for receipt, is_unhandled in ((handled, False), (unhandled, True)):
        receipt.refresh_from_db()
        assert (receipt.state, receipt.is_unhandled) == ("processed", is_unhandled)
        assert Receipt.objects.filter(UNHANDLED, id=receipt.id).exists() is is_unhandled
        assert receipt.source.hours.get().unhandled == is_unhandled


def test_receipt_of_a_source_without_handlers_is_not_unhandled() -> None:
    receipt = make_receipt(due_at=None, processed_at="2030-01-31T12:00:00Z", handled_by=[])
    assert not receipt.is_unhandled
