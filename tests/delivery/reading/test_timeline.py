"""The timeline of a delivery."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from delivery.models import Attempt, DeadLetter, Delivery
from delivery.reading.timeline import REPEATED, response_text, timeline
from delivery.transports.http.repeats import Repeat
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


def test_timeline_is_sorted_by_time_newest_first() -> None:
    letter = DeadLetter(cause="exhausted", failed_at=after(hours=1), closed_at=after(hours=2), closed_by="ops")
    attempts = [attempt(2, after(hours=2, seconds=5), status=200, error=""), attempt(1, after(seconds=1))]
    moments = timeline(delivery(), attempts, [letter])
    assert [moment.kind for moment in moments] == ["delivered", "replayed", "dead_letter", "failed", "published"]
    assert [moment.tone for moment in moments] == ["good", "plain", "bad", "bad", "plain"]


def test_timeline_wait_counts_from_the_end_of_the_entry_before() -> None:
    moments = timeline(delivery(), [attempt(1, START, duration_ms=15_000), attempt(2, after(seconds=20))], [])
    assert [moment.waited for moment in moments] == [timedelta(seconds=5), None, None]


def test_timeline_share_is_relative_to_the_longest_attempt_and_at_least_one() -> None:
    attempts = [attempt(1, START, duration_ms=10_000), attempt(2, START, duration_ms=5_000)]
    attempts.append(attempt(3, START, duration_ms=0))
    assert [moment.share for moment in timeline(delivery(), attempts, [])[:-1]] == [1, 50, 100]
    assert timeline(delivery(), [attempt(1, START, duration_ms=0)], [])[0].share == 1


def test_timeline_next_attempt_is_first_even_if_overdue() -> None:
    pending = delivery(state="pending", next_attempt_at=after(seconds=-1))
    assert [moment.kind for moment in timeline(pending, [attempt(1, START)], [])] == ["due", "failed", "published"]
    sending = delivery(state="sending", claimed_until=after(minutes=1))
    assert timeline(sending, [], [])[0].title == "Sending"


def test_timeline_cancellation_names_who_cancelled() -> None:
    cancelled = delivery(state="cancelled", cancelled_at=after(seconds=30), cancelled_by="ops")
    last = timeline(cancelled, [attempt(1, START)], [])[0]
    assert (last.kind, last.at, last.detail) == ("cancelled", after(seconds=30), "by ops")


@pytest.mark.parametrize("failure", [it for it in Failure if it is not Failure.STATUS])
def test_timeline_explains_every_failure(failure: Failure) -> None:
    assert timeline(delivery(), [attempt(1, START, error=failure.value, status=None)], [])[0].detail


def test_timeline_of_an_unknown_failure_shows_its_name() -> None:
    assert timeline(delivery(), [attempt(1, START, error="gremlins")], [])[0].error == "gremlins"


@pytest.mark.parametrize(
    ("response", "text", "cut"),
    [
        (None, "", False),
        (b"", "", False),
        (memoryview(b"ok"), "ok", False),
        (b"\xff", "\ufffd", False),
        (b"x" * 4_096, "x" * 4_096, False),
        (b"x" * 4_097, "x" * 4_096, True),
    ],
)
def test_response_text_is_decoded_and_cut(response: bytes | None, text: str, cut: bool) -> None:
    assert response_text(response) == (text, cut)


def test_timeline_says_why_a_request_was_sent_again() -> None:
    again = attempt(1, START, status=200, error="", repeats="stream_refused,http_1_1_required")
    detail = timeline(delivery(), [again], [])[0].detail
    assert detail.startswith("The request was sent 3 times: the endpoint had not processed it (HTTP/2), the endpoint r")
    assert set(REPEATED) == set(Repeat)


def test_error_of_a_transformer_is_apart_from_what_everyone_may_see() -> None:
    quoted = DeadLetter(cause="transformation_failed", reason="no 'abc'", failed_at=after(hours=1))
    entry = timeline(delivery(), [], [quoted])[0]
    assert (entry.detail, entry.quoted) == ("Transformation failed", "no 'abc'")
    plain = DeadLetter(cause="set_aside", reason="Set aside by ada.", failed_at=after(hours=1))
    entry = timeline(delivery(), [], [plain])[0]
    assert (entry.detail, entry.quoted) == ("Set aside by ada.", "")
