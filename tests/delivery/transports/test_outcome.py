from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.transports.outcome import Failure, Outcome, parse_retry_after

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
def test_both_forms_of_retry_after_are_seconds(text: str, seconds: float) -> None:
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
def test_what_asks_for_nothing_is_none(text: str) -> None:
    assert parse_retry_after(text, NOW) is None


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,12} \d\d:\d\d:\d\d [A-Z+0-9]+"))
def test_no_header_can_raise_or_ask_for_the_past(text: str) -> None:
    wait = parse_retry_after(text, NOW)
    assert wait is None or 0 <= wait < 1e13


def test_an_attempt_without_a_failure_is_acknowledged() -> None:
    assert Outcome(started_at=NOW, duration_ms=1, status=200).acknowledged
    assert not Outcome(started_at=NOW, duration_ms=1, status=500, failure=Failure.STATUS).acknowledged
