from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.transports.http.responses import (
    LONGEST_RETRY_AFTER,
    OVERLOADED_WAIT,
    outcome_of,
    parse_retry_after,
    refused_by,
)
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
        ("86400", 86400),
        ("604800", LONGEST_RETRY_AFTER),
        ("9" * 400, LONGEST_RETRY_AFTER),
        ("Thu, 31 Jan 2999 12:00:00 GMT", LONGEST_RETRY_AFTER),
        ("600.5", 600.5),
        ("1.", 1),
        # Several lines, or what a proxy makes of them: the longest wait.
        ("5\r\n 120\r\n", 120),
        ("120\r\n 5\r\n", 120),
        ("-5\r\n soon\r\n 7", 7),
        ("Thu, 31 Jan 2030 12:02:00 GMT\r\n 60", 120),
        ("5, 6", 6),
        ("2030-01-31T12:02:00Z", 120),
        ("2030-01-31T14:02:00.5+02:00", 120.5),
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
        *(
            "",
            " ",
            "soon",
            "-5",
            "+5",
            "-600.5",
            ".5",
            "1e3",
            "12 s",
            "0x10",
            "½",
            "١٢",
            "5, x",
            "2030-01-31T99:02:00Z",
            "2030-01-31T11:02:00Z",
            "nan",
            "inf",
            "\0",
            "\xff",
        ),
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
        (500, None, 40, 40),
        (301, None, 40, 40),
        (403, None, 40, 40),
        (413, None, 40, 40),
        (503, None, 0, None),
        (410, None, 40, None),
    ],
)
def test_outcome_retry_after_is_that_of_any_response_but_410(
    status: int | None, failure: Failure | None, requested: float | None, wait: float | None
) -> None:
    assert outcome(status, failure, requested).retry_after == wait


@pytest.mark.parametrize(
    ("status", "requested", "pause"),
    [(429, 40, 40), (503, 120, 120), (413, 40, 40), (301, 40, 40), (429, None, None), (503, 0, None), (410, 40, None)],
)
def test_outcome_asks_for_a_pause_if_the_response_has_retry_after(
    status: int, requested: float | None, pause: float | None
) -> None:
    assert outcome(status, None, requested).asked_pause == pause


def test_outcome_of_200_with_retry_after_asks_for_no_pause() -> None:
    assert outcome(200, None, 40).asked_pause is None


def test_outcome_of_a_redirect_or_4xx_but_408_and_429_is_rejected_and_alive() -> None:
    rejected = {status for status in range(200, 600) if outcome(status).rejected}
    assert rejected == set(range(300, 500)) - {408, 429}
    assert {status for status in range(200, 600) if outcome(status).is_alive} == rejected | set(range(200, 300))


@pytest.mark.parametrize("failure", [it for it in Failure if it is not Failure.STATUS])
def test_outcome_without_a_response_is_no_sign_of_life(failure: Failure) -> None:
    assert not outcome(None, failure).is_alive


@pytest.mark.parametrize(
    ("pattern", "body", "is_refused"),
    [
        ('{"ok": [false]}', b'{"ok": false, "error": "channel_not_found"}', True),
        ('{"ok": [false]}', b'{"ok": true}', False),
        ('{"ok": [false]}', b"ok", False),
        ('{"ok": [false]}', b"", False),
        ('{"ok": [false]}', b"[false]", False),
        ('{"ok": [false]}', b'{"ok": false', False),
        ('{"errors": [{"exists": true}]}', b'{"errors": [{"message": "no"}]}', False),
        ('{"errors": {"message": [{"exists": true}]}}', b'{"errors": [{"message": "no"}]}', True),
        ('{"detail": {"code": [7]}}', b'{"detail": {"code": 7}}', True),
        ('{"a": [{"wildcard": "*a*a*a*"}]}', b'{"a": "' + b"b" * 16_000 + b'"}', False),
    ],
)
def test_refused_by_a_body_that_matches_the_pattern(pattern: str, body: bytes, is_refused: bool) -> None:
    accepted = Outcome(0.0, 5, 200, None, body)
    outcome = refused_by(pattern, accepted)
    assert outcome == (accepted._replace(failure=Failure.REFUSED, rejected=True) if is_refused else accepted)
    assert outcome.is_alive
