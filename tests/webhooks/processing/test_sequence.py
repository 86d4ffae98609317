"""Which of two messages is the later one, and what becomes of the earlier one when it comes late."""

import threading
from decimal import Decimal

import pytest
from django.db import connections

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import LatestSequence, Receipt, Rejection
from webhooks.processing import sequence
from webhooks.processing.handlers import handles
from webhooks.processing.process import process, process_due
from webhooks.processing.receipts import claim
from webhooks.processing.replay import replay

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
def test_a_place_is_a_number_or_a_time(text: str, expected: Decimal | int | None) -> None:
    assert sequence.parse_sequence(text) == expected


@pytest.fixture
def seen() -> list[str]:
    handled: list[str] = []

    @handles()
    def notes(receipt: Receipt) -> None:
        handled.append(receipt.message_id)

    return handled


def comes(source, number: object, **changes) -> Receipt:
    return make_receipt(source, body=b'{"n":%s}' % str(number).encode(), message_id=f"{number}", **changes)


def result(receipt: Receipt) -> tuple[bool, bool, str]:
    receipt.refresh_from_db()
    return receipt.out_of_order, receipt.skipped, receipt.state


IN_ORDER, LATE, SKIPPED = (False, False, "processed"), (True, False, "processed"), (True, True, "processed")


def test_a_receipt_that_comes_after_a_later_one_is_flagged_and_handled(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n")
    second, first, third = comes(source, 2), comes(source, 1), comes(source, 3)
    process_due()
    assert [result(receipt) for receipt in (second, first, third)] == [IN_ORDER, LATE, IN_ORDER]
    assert seen == ["2", "1", "3"]


def test_a_source_that_skips_stale_ones_does_not_handle_it(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    second, first = comes(source, 2), comes(source, 1)
    process_due()
    assert [result(second), result(first)] == [IN_ORDER, SKIPPED]
    assert seen == ["2"]
    assert first.handled_by == []


def test_equal_is_not_below(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    comes(source, 2)
    process_due()
    again = comes(source, "2.0")
    process_due()
    assert result(again) == IN_ORDER


def test_every_key_has_a_sequence_of_its_own_and_so_has_every_source(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    comes(source, 5, order_key="a")
    comes(make_source(sequence_path="body:/n"), 9, order_key="b")
    process_due()
    other = comes(source, 1, order_key="b")
    process_due()
    assert result(other) == IN_ORDER


def test_a_header_may_hold_it_and_a_receipt_without_one_is_in_order(seen: list[str]) -> None:
    source = make_source(sequence_path="header:X-Time", skip_out_of_order=True)
    make_receipt(source, headers={"x-time": "2026-01-02T00:00:00Z"})
    process_due()
    old = make_receipt(source, headers={"x-time": "2026-01-01T00:00:00Z"})
    none = make_receipt(source)
    process_due()
    assert (result(old), result(none)) == (SKIPPED, IN_ORDER)


def test_a_handler_that_fails_does_not_move_the_mark() -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)

    @handles()
    def fails_on_the_second(receipt: Receipt) -> None:
        if receipt.message_id == "2":
            raise RuntimeError

    comes(source, 2)
    process_due()
    assert not LatestSequence.objects.exists()
    first = comes(source, 1)
    process_due()
    assert result(first) == IN_ORDER


@pytest.mark.django_db(transaction=True)
def test_what_is_overtaken_while_it_runs_leaves_nothing_behind() -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    first, second = comes(source, 1), comes(source, 2)
    (claimed_first, claimed_second) = claim(2)

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


def test_a_skipped_receipt_can_be_replayed_when_the_source_no_longer_skips(seen: list[str]) -> None:
    source = make_source(sequence_path="body:/n", skip_out_of_order=True)
    comes(source, 2)
    process_due()
    first = comes(source, 1)
    process_due()
    source.skip_out_of_order = False
    source.save()
    replay(Receipt.objects.filter(pk=first.pk))
    process_due()
    assert result(first) == LATE
