"""Test that receipts out of order are found by their sequence, and flagged or skipped."""

import threading
from decimal import Decimal

import pytest
from django.db import connections

from tests.factories_receiver import make_receipt, make_source
from tests.threads import in_threads
from webhooks.models import LatestSequence, Receipt, Rejection
from webhooks.processing import sequence
from webhooks.processing.handlers import handles
from webhooks.processing.process import process, process_due
from webhooks.processing.replays import replay_now
from webhooks.processing.turns.claims import claim_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", 42),
        ("-1", -1),
        ("1.5", Decimal("1.5")),
        ("1e3", 1000),
        ("00000000000000000007", 7),
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T01:00:10.25+01:00", Decimal("10.25")),
        ("1970-01-02", 86_400),
        ("1969-12-31T23:59:59Z", -1),
        ("", None),
        ("soon", None),
        ("NaN", None),
        ("-Infinity", None),
        ("1e28", None),
        ("9" * 65, None),
        ("1e999999999", None),
        ("2026-13-01T00:00:00Z", None),
    ],
)
def test_parse_sequence_accepts_numbers_and_times(text: str, expected: Decimal | int | None) -> None:
    assert sequence.parse_sequence(text) == expected


@pytest.fixture
def seen() -> list[str]:
    handled: list[str] = []

    @handles()
    def notes(receipt: Receipt) -> None:
        handled.append(receipt.message_id)

    return handled


def receive(source, number: object, **changes) -> Receipt:
    return make_receipt(source, body=b'{"n":%s}' % str(number).encode(), message_id=f"{number}", **changes)


def result(receipt: Receipt) -> tuple[bool, bool, str]:
    receipt.refresh_from_db()
    return receipt.out_of_order, receipt.skipped, receipt.state


IN_ORDER, LATE, SKIPPED = (False, False, "processed"), (True, False, "processed"), (True, True, "processed")


def test_receipt_out_of_order_is_flagged_and_handled(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n")
    second, first, third = receive(source, 2), receive(source, 1), receive(source, 3)
    process_due()
    assert [result(receipt) for receipt in (second, first, third)] == [IN_ORDER, LATE, IN_ORDER]
    assert seen == ["2", "1", "3"]


def test_receipt_out_of_order_is_skipped_if_the_source_skips(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    second, first = receive(source, 2), receive(source, 1)
    process_due()
    assert [result(second), result(first)] == [IN_ORDER, SKIPPED]
    assert seen == ["2"]
    assert first.handled_by == []


def test_receipt_with_an_equal_sequence_is_in_order(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    receive(source, 2)
    process_due()
    again = receive(source, "2.0")
    process_due()
    assert result(again) == IN_ORDER


def test_sequence_is_separate_for_each_order_key_and_source(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    receive(source, 5, order_key="a")
    receive(make_source(sequence_path="body:/n"), 9, order_key="b")
    process_due()
    other = receive(source, 1, order_key="b")
    process_due()
    assert result(other) == IN_ORDER


def test_sequence_in_a_header_is_read_and_a_missing_one_is_in_order(seen: list[str]) -> None:
    source = make_source(sequence_path="header:X-Time", skip_out_of_order=True)
    make_receipt(source, headers={"x-time": "2026-01-02T00:00:00Z"})
    process_due()
    old = make_receipt(source, headers={"x-time": "2026-01-01T00:00:00Z"})
    none = make_receipt(source)
    process_due()
    assert (result(old), result(none)) == (SKIPPED, IN_ORDER)


def test_failed_handler_does_not_move_the_high_water_mark() -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)

    @handles()
    def fails_on_the_second(receipt: Receipt) -> None:
        if receipt.message_id == "2":
            raise RuntimeError

    receive(source, 2)
    process_due()
    assert not LatestSequence.objects.exists()
    first = receive(source, 1)
    process_due()
    assert result(first) == IN_ORDER


@pytest.mark.django_db(transaction=True)
def test_receipt_overtaken_while_its_handler_runs_is_rolled_back() -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    first, second = receive(source, 1), receive(source, 2)
    (claimed_first, claimed_second) = claim_group(2)

    def overtake() -> None:
        process(claimed_second)
        connections.close_all()

    @handles()
    def is_overtaken(receipt: Receipt) -> None:
        Rejection.objects.create(source=source, reason=receipt.message_id, size=0)
        if receipt == first:
            other_worker = threading.Thread(target=overtake)
            other_worker.start()
            other_worker.join()

    process(claimed_first)
    assert [result(first), result(second)] == [SKIPPED, IN_ORDER]
    assert [rejection.reason for rejection in Rejection.objects.all()] == ["2"]


def test_skipped_receipt_can_be_replayed_when_the_source_no_longer_skips(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    receive(source, 2)
    process_due()
    first = receive(source, 1)
    process_due()
    source.skip_out_of_order = False
    source.save()
    replay_now([first])
    process_due()
    assert result(first) == LATE


@pytest.mark.django_db(transaction=True)
def test_groups_of_two_workers_with_the_same_order_keys_do_not_deadlock(seen: list[str]) -> None:
    source = make_source(sequence_path="header:n")
    for number in range(120):
        make_receipt(source, headers={"n": str(number)}, message_id=f"{number}")
    in_threads(process_due, process_due)
    assert sorted(seen, key=int) == [f"{number}" for number in range(120)]
    assert set(Receipt.objects.values_list("attempts", "last_error")) == {(1, "")}
