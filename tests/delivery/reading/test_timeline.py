"""A delivery's life in the order it happened."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from delivery.models import Attempt, DeadLetter, Delivery
from delivery.reading.timeline import response_text, timeline
from delivery.transports.outcome import Failure

START = datetime(2026, 1, 1, tzinfo=UTC)


def after(**span: float) -> datetime:
    return START + timedelta(**span)


def delivery(**changes: object) -> Delivery:
    fields = {"id": UUID(int=1), "created_at": START, "state": "delivered", "next_attempt_at": None}
    return Delivery(**fields | changes)


def attempt(number: int, at: datetime, **changes: object) -> Attempt:
    fields = {"number": number, "started_at": at, "duration_ms": 100, "status": 500, "error": "status"}
    return Attempt(**fields | changes)


def test_everything_stands_in_the_order_it_happened() -> None:
    letter = DeadLetter(cause="exhausted", failed_at=after(hours=1), replayed_at=after(hours=2), replayed_by="ops")
    attempts = [attempt(2, after(hours=2, seconds=5), status=200, error=""), attempt(1, after(seconds=1))]
    moments = timeline(delivery(), attempts, [letter])
    assert [moment.kind for moment in moments] == ["published", "failed", "dead_letter", "replayed", "delivered"]
    assert [moment.tone for moment in moments] == ["plain", "bad", "bad", "plain", "good"]


def test_a_wait_counts_from_the_end_of_what_was_before() -> None:
    moments = timeline(delivery(), [attempt(1, START, duration_ms=15_000), attempt(2, after(seconds=20))], [])
    assert [moment.waited for moment in moments] == [None, None, timedelta(seconds=5)]


def test_a_bar_is_a_share_of_the_longest_attempt_and_never_nothing() -> None:
    attempts = [attempt(1, START, duration_ms=10_000), attempt(2, START, duration_ms=5_000)]
    attempts.append(attempt(3, START, duration_ms=0))
    assert [moment.share for moment in timeline(delivery(), attempts, [])[1:]] == [100, 50, 1]
    assert timeline(delivery(), [attempt(1, START, duration_ms=0)], [])[1].share == 1


def test_what_is_due_comes_last_even_if_it_is_overdue() -> None:
    pending = delivery(state="pending", next_attempt_at=after(seconds=-1))
    assert [moment.kind for moment in timeline(pending, [attempt(1, START)], [])] == ["published", "failed", "due"]
    sending = delivery(state="sending", claimed_until=after(minutes=1))
    assert timeline(sending, [], [])[-1].title == "Sending"


def test_a_cancellation_is_told_with_who_it_was() -> None:
    cancelled = delivery(state="cancelled", cancelled_at=after(seconds=30), cancelled_by="ops")
    last = timeline(cancelled, [attempt(1, START)], [])[-1]
    assert (last.kind, last.at, last.detail) == ("cancelled", after(seconds=30), "by ops")


@pytest.mark.parametrize("failure", [it for it in Failure if it is not Failure.STATUS])
def test_every_class_of_failure_is_explained(failure: Failure) -> None:
    assert timeline(delivery(), [attempt(1, START, error=failure.value, status=None)], [])[1].detail


def test_a_class_of_failure_nobody_knows_any_more_is_shown_as_it_is() -> None:
    assert timeline(delivery(), [attempt(1, START, error="gremlins")], [])[1].error == "gremlins"


@pytest.mark.parametrize(
    ("answer", "text", "cut"),
    [
        (None, "", False),
        (b"", "", False),
        (memoryview(b"ok"), "ok", False),
        (b"\xff", "\ufffd", False),
        (b"x" * 4_096, "x" * 4_096, False),
        (b"x" * 4_097, "x" * 4_096, True),
    ],
)
def test_answers_as_text(answer: bytes | None, text: str, cut: bool) -> None:
    assert response_text(answer) == (text, cut)
