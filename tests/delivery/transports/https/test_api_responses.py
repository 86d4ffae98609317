"""Responses of APIs, as outcomes of messages."""

import pytest

from delivery.transports.http.responses import outcome_of
from delivery.transports.https.api_responses import THROTTLE_PAUSE, by_status, failed, parsed, unreadable
from delivery.transports.outcome import Failure, Outcome


def responded(status: int | None, retry_after: float | None = None) -> Outcome:
    failure = Failure.RESET if status is None else None
    return outcome_of(started_at=1.0, duration_ms=5, status=status, failure=failure, retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "failure", "is_alive"),
    [
        (200, None, True),
        (301, Failure.REFUSED, True),
        (400, Failure.REFUSED, True),
        (401, Failure.ACCESS_DENIED, True),
        (403, Failure.ACCESS_DENIED, True),
        (404, Failure.NOT_FOUND, True),
        (408, Failure.UNAVAILABLE, False),
        (410, Failure.NOT_FOUND, True),
        (413, Failure.TOO_LARGE, True),
        (429, Failure.THROTTLED, False),
        (500, Failure.UNAVAILABLE, False),
        (503, Failure.UNAVAILABLE, False),
        (None, Failure.RESET, False),
    ],
)
def test_status_says_what_to_do_and_whether_the_destination_works(
    status: int | None, failure: Failure | None, is_alive: bool
) -> None:
    first, second = by_status(responded(status), 2)
    assert first == second
    assert (first.failure, first.is_alive, first.gone) == (failure, is_alive, False)


def test_throttled_message_pauses_the_endpoint_as_the_api_asks() -> None:
    (found,) = by_status(responded(429), 1)
    assert (found.asked_pause, found.retry_after, found.overloaded) == (THROTTLE_PAUSE, None, True)
    (found,) = by_status(responded(429, retry_after=30.0), 1)
    assert found.asked_pause == 30.0


def test_text_of_a_failure_is_recorded_in_place_of_the_response() -> None:
    outcome = responded(200)._replace(response=b"whole response")
    assert failed(outcome, Failure.REFUSED, "é" * 2_000).response == ("é" * 512).encode()
    assert failed(outcome, Failure.REFUSED).response == b"whole response"


def test_unreadable_response_counts_against_the_destination() -> None:
    assert {(it.failure, it.is_alive) for it in unreadable(responded(200), 2)} == {(Failure.PROTOCOL, False)}


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_body_that_is_no_object_is_an_empty_one(body: bytes) -> None:
    assert parsed(body) == {}
