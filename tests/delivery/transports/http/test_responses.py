from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.transports.http.responses import OVERLOADED_WAIT, outcome_of, parse_retry_after
from delivery.transports.outcome import Failure, Outcome

NOW = datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("\t7\r\n", 7),
        ("00060", 60),
        ("604800", 604800),
        ("9" * 400, 999_999_999_999),
        # The three forms of a date (RFC 9110, 5.6.7).
        ("Thu, 31 Jan 2030 12:02:00 GMT", 120),
        ("Thursday, 31-Jan-30 12:02:00 GMT", 120),
        ("Thu Jan 31 12:02:00 2030", 120),
        ("Thu, 31 Jan 2030 14:02:00 +0200", 120),
    ],
)
def test_parse_retry_after_reads_seconds_and_dates(text: str, seconds: float) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "-5", "+5", "1.5", "1e3", "12 s", "0x10", "½", "١٢", "5, 6", "nan", "inf", "\0", "\xff"),
        "Thu, 31 Jan 2030 11:59:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 31 Feb 2030 12:00:00 GMT",
        "Thu, 31 Jan 99999999999 12:00:00 GMT",
        "Thu, 31 Jan 2030 99:99:99 GMT",
        "Thu, 31 Jan 0000 12:00:00 GMT",
        "31 Jan",
    ],
)
def test_parse_retry_after_of_a_value_without_a_wait_is_none(text: str) -> None:
    assert parse_retry_after(text, NOW) is None


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,12} \d\d:\d\d:\d\d [A-Z+0-9]+"))
def test_parse_retry_after_never_raises_nor_returns_a_negative_wait(text: str) -> None:
    wait = parse_retry_after(text, NOW)
    assert wait is None or 0 <= wait < 1e13


def outcome(status: int | None, failure: Failure | None = None, retry_after: float | None = None) -> Outcome:
    return outcome_of(started_at=NOW, duration_ms=1, status=status, failure=failure, retry_after=retry_after)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_outcome_of_2xx_is_delivered_whatever_retry_after_it_has(status: int) -> None:
    found = outcome(status, Failure.RESET, retry_after=60)
    assert (found.delivered, found.status, found.retry_after) == (True, status, None)


@pytest.mark.parametrize("status", [300, 302, 400, 401, 404, 409, 410, 429, 500, 502, 503, 504, 599, 999])
def test_outcome_of_any_other_response_is_a_failure_by_status(status: int) -> None:
    assert outcome(status, Failure.RESET).failure is Failure.STATUS


@pytest.mark.parametrize("failure", [it for it in Failure if it is not Failure.STATUS])
def test_outcome_without_a_response_keeps_its_failure(failure: Failure) -> None:
    found = outcome(None, failure)
    assert (found.failure, found.status, found.gone) == (failure, None, False)


def test_outcome_of_410_alone_is_gone() -> None:
    assert [status for status in range(200, 600) if outcome(status).gone] == [410]


def test_outcome_of_429_503_and_timeout_is_overloaded() -> None:
    assert [status for status in range(200, 600) if outcome(status).overloaded] == [429, 503]
    assert [failure for failure in Failure if outcome(None, failure).overloaded] == [Failure.TIMEOUT]


@pytest.mark.parametrize(
    ("status", "failure", "requested", "wait"),
    [
        (503, None, 40, 40),
        (502, None, 40, 40),
        (504, None, 40, 40),
        (503, None, None, None),
        (429, None, None, OVERLOADED_WAIT),
        (429, None, 40, OVERLOADED_WAIT),
        (429, None, 90, 90),
        (None, Failure.TIMEOUT, None, OVERLOADED_WAIT),
        (None, Failure.CONNECT, None, None),
        (None, Failure.RESET, None, None),
        (None, Failure.DNS, None, None),
        (500, None, 40, None),
        (301, None, 40, None),
        (404, None, 40, None),
        (410, None, 40, None),
    ],
)
def test_outcome_retry_after_is_obeyed_where_the_status_allows_it(
    status: int | None, failure: Failure | None, requested: float | None, wait: float | None
) -> None:
    assert outcome(status, failure, requested).retry_after == wait
