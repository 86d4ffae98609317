"""Test that each message becomes one row, alone or in a group."""

from typing import Any

import pytest
from django.db import DataError, connection
from django.utils import timezone

from tests.factories_receiver import make_source
from webhooks.kit.bodies.claim_check import StoredBody
from webhooks.models import Receipt, Source
from webhooks.receiving.insert_receipt import MAX_GROUP, FirstReceipt, InsertOutcome, VerifiedMessage, insert_receipts
from webhooks.sources.message_labels import MessageLabels
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db

LOGGED = [{"handler": "log"}]
DIGEST = "ab" * 32
USES = """
SELECT generic_plans + custom_plans FROM pg_prepared_statements
 WHERE statement LIKE '%INTO webhooks_receipt%' AND statement NOT LIKE '%$15::%'
"""  # of the statement for one message


def outcomes(messages: list[VerifiedMessage]) -> list[InsertOutcome]:
    return [result.outcome for result in insert_receipts(messages)]


def message(source: Source, message_id: str, body: bytes | None = b"{}", **changes: Any) -> VerifiedMessage:
    stored = (
        StoredBody(len(body), DIGEST, body=body)
        if body is not None
        else StoredBody(5 * 2**30, DIGEST, key="receipts/x/y")
    )
    values = {"content_type": "application/json", "headers": {"a": 'b"\\'}, "body": stored, "has_handlers": False}
    return VerifiedMessage(new_id(), source.id, MessageLabels(message_id, "a.b", ""), **{**values, **changes})


def test_insert_receipts_with_duplicates_in_one_statement_stores_the_first() -> None:
    source = make_source(handlers=LOGGED)
    messages = [message(source, message_id) for message_id in ("a", "b", "a", "b", "a")]
    assert outcomes(messages) == [
        InsertOutcome.DUE,
        InsertOutcome.DUE,
        InsertOutcome.DUPLICATE,
        InsertOutcome.DUPLICATE,
        InsertOutcome.DUPLICATE,
    ]
    assert set(Receipt.objects.values_list("id", flat=True)) == {messages[0].id, messages[1].id}
    assert outcomes(messages) == [InsertOutcome.DUPLICATE] * 5


def test_insert_receipts_stores_messages_of_every_shape_in_one_statement() -> None:
    handled, quiet = make_source(handlers=LOGGED), make_source()
    odd = bytes(range(256))
    secret = new_id()
    messages = [
        message(quiet, "odd", odd, secret_id=secret),
        message(handled, "empty", b""),
        message(quiet, "large", None),
        message(quiet, "in code", has_handlers=True),
        message(quiet, "longer", b"x" * 70_000),
    ]
    assert outcomes(messages) == [
        InsertOutcome.SETTLED,
        InsertOutcome.DUE,
        InsertOutcome.SETTLED,
        InsertOutcome.DUE,
        InsertOutcome.SETTLED,
    ]
    stored = [Receipt.objects.get(id=one.id) for one in messages]
    assert [receipt.message_id for receipt in stored] == ["odd", "empty", "large", "in code", "longer"]
    assert [bytes(receipt.body) if receipt.body is not None else None for receipt in stored] == [
        *(odd, b"", None, b"{}", b"x" * 70_000)
    ]
    assert [receipt.size for receipt in stored] == [256, 0, 5 * 2**30, 2, 70_000]
    assert [receipt.body_key for receipt in stored] == ["", "", "receipts/x/y", "", ""]
    assert [receipt.secret_id for receipt in stored] == [secret, None, None, None, None]
    assert {receipt.headers["a"] for receipt in stored} == {'b"\\'}


def test_insert_receipts_names_the_first_of_each_duplicate_with_its_digest() -> None:
    source, other = make_source(), make_source()
    first, elsewhere = message(source, "a"), message(other, "a")
    insert_receipts([first, elsewhere])
    results = insert_receipts([message(source, "a"), message(source, "b"), message(other, "a")])
    assert [result.first for result in results] == [
        FirstReceipt(first.id, DIGEST),
        None,
        FirstReceipt(elsewhere.id, DIGEST),
    ]


@pytest.mark.parametrize("count", [1, MAX_GROUP])
def test_insert_receipts_stores_up_to_a_full_group(count: int) -> None:
    source = make_source()
    messages = [message(source, str(number)) for number in range(count)]
    assert outcomes(messages) == [InsertOutcome.SETTLED] * count
    assert Receipt.objects.count() == count


def test_insert_receipts_uses_one_prepared_plan_for_every_shape_of_message() -> None:
    def uses() -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(USES)
            return [uses for (uses,) in cursor.fetchall()]

    source = make_source()
    insert_receipts([message(source, "the first")])
    before = uses()
    insert_receipts([message(source, "long", b"x" * 70_000)])
    insert_receipts([message(source, "elsewhere", None, secret_id=new_id())])
    assert (len(uses()), sum(uses())) == (len(before), sum(before) + 2)


def test_insert_receipts_without_the_setting_prepares_no_statement(settings: Any) -> None:
    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(sum(generic_plans + custom_plans), 0) FROM pg_prepared_statements")
            return int(cursor.fetchone()[0])

    settings.WAYPOST_PREPARE_STATEMENTS = False
    source, before = make_source(), count()
    assert outcomes([message(source, "one")]) == [InsertOutcome.SETTLED]
    assert count() == before


def test_insert_receipts_settles_messages_without_handlers_and_makes_the_others_due() -> None:
    quiet, handled, ordered = make_source(), make_source(handlers=LOGGED), make_source(sequence_path="body:/n")
    insert_receipts([message(source, "a") for source in (quiet, handled, ordered)])
    states = {receipt.source_id: receipt for receipt in Receipt.objects.all()}
    assert (states[quiet.id].state, states[quiet.id].handled_by) == ("processed", [])
    assert states[quiet.id].processed_at <= timezone.now()
    for source in (handled, ordered):
        assert (states[source.id].state, states[source.id].handled_by) == ("pending", None)
        assert states[source.id].processed_at is None


def test_insert_receipts_of_a_deleted_source_makes_the_message_due() -> None:
    source = make_source()
    of_deleted_source = message(source, "a")
    source.delete()
    assert outcomes([of_deleted_source]) == [InsertOutcome.DUE]


def test_insert_receipts_with_a_value_too_long_raises_djangos_data_error() -> None:
    with pytest.raises(DataError):
        insert_receipts([message(make_source(), "x" * 257)])
