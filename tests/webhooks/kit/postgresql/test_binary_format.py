"""Test the binary encodings: PostgreSQL and psycopg read what was written."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError

from webhooks.kit import sql

KEY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
MOMENT = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
VALUES: list[tuple[str, Any]] = [
    ("bool", True),
    ("bool", False),
    ("bytea", b""),
    ("bytea", b"\0\xff" * 300),
    ("int2", -(2**15)),
    ("int4", 2**31 - 1),
    ("int8", -(2**63)),
    ("float4", 0.5),
    ("float8", 1e300),
    ("text", ""),
    ("text", "grün 🚏"),
    ("varchar", "x"),
    ("uuid", KEY),
    ("date", date(1, 1, 1)),
    ("date", date(2026, 7, 28)),
    ("timestamptz", MOMENT),
    ("timestamptz", datetime(2026, 7, 28, 12, tzinfo=UTC)),
]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_value_is_read_as_it_was_written_alone_and_in_an_array(kind: str, value: Any) -> None:
    assert sql.run(f"SELECT %(value)s::{kind}", {"value": value}) == [(value,)]
    (found,) = sql.run(f"SELECT %(values)s::{kind}[]", {"values": [value, None, value]})
    assert found == ([value, None, value],)


def test_null_and_the_empty_array_are_written() -> None:
    assert sql.run("SELECT %(a)s::text, cardinality(%(b)s::uuid[])", {"a": None, "b": []}) == [(None, 0)]


def test_moment_of_another_time_zone_is_the_same_moment() -> None:
    moment = datetime(2026, 7, 28, 14, tzinfo=timezone(timedelta(hours=2)))
    assert sql.run("SELECT %(at)s::timestamptz", {"at": moment}) == [(datetime(2026, 7, 28, 12, tzinfo=UTC),)]


def test_json_text_is_written_as_jsonb() -> None:
    assert sql.run("SELECT %(value)s::jsonb ->> 'a'", {"value": '{"a": "b"}'}) == [("b",)]
    assert sql.run("SELECT (%(values)s::jsonb[])[1] ->> 'a'", {"values": ['{"a": "b"}']}) == [("b",)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("numeric", Decimal("1.5")),  # a type without an encoder
        ("interval", timedelta(seconds=90)),
        ("uuid", str(KEY)),  # values of another type
        ("timestamptz", "2026-07-28T12:00:00Z"),
        ("text", 7),
        ("float8", 1),
        ("bool", None),
    ],
)
def test_value_without_an_encoding_is_left_to_psycopg_or_converted(kind: str, value: Any) -> None:
    same = sql.run(f"SELECT %(a)s::{kind} IS NOT DISTINCT FROM %(b)s::text::{kind}", {"a": value, "b": _text(value)})
    assert same == [(True,)]


def _text(value: Any) -> str | None:
    if isinstance(value, timedelta):
        return f"{value.total_seconds()} seconds"
    return None if value is None else str(value)


@pytest.mark.parametrize(
    ("kind", "value"), [("int2", 2**15), ("int4", 2**31), ("int8", 2**63), ("text", "\0"), ("uuid", "no")]
)
def test_value_that_does_not_fit_raises_a_data_error(kind: str, value: Any) -> None:
    with pytest.raises(DataError):
        sql.run(f"SELECT %(value)s::{kind}", {"value": value})


def test_text_that_is_not_unicode_raises_an_encoding_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        sql.run("SELECT %(value)s::text", {"value": "\ud800"})
