"""Test parsing JSON as senders write it."""

import math
from decimal import Decimal

import pytest

from webhooks.wire.bodies.json_document import parse_exactly, parse_json, parse_leniently
from webhooks.wire.errors import UnreadableBody

TEXT = '{"name": "M\u00fcller"}'


@pytest.mark.parametrize(
    "body",
    [TEXT.encode(it) for it in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")],
)
def test_json_in_every_unicode_encoding_is_parsed(body: bytes) -> None:
    assert parse_json(body) == {"name": "M\u00fcller"}


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_declared_legacy_charset_is_used_only_if_the_text_is_not_utf8(charset: str) -> None:
    assert parse_json(TEXT.encode(charset), "application/json; charset=ISO-8859-1") == {"name": "M\u00fcller"}


def test_integers_beyond_64_bits_are_exact() -> None:
    body = b'{"id": 18446744073709551617, "minus": -99999999999999999999, "total": 1.5}'
    assert parse_json(body) == {"id": 18446744073709551617, "minus": -99999999999999999999, "total": 1.5}


def test_constants_that_are_no_json_are_floats_or_null() -> None:
    body = b"[NaN, Infinity, -Infinity]"
    assert math.isnan(parse_json(body)[0])
    assert parse_json(body)[1:] == [math.inf, -math.inf]
    assert parse_leniently(body) == parse_exactly(body) == [None] * 3


def test_unpaired_surrogates_are_replaced_and_pairs_kept() -> None:
    assert parse_json(b'{"a\\ud800": ["\\udc00x", "\\ud83d\\ude00"]}') == {"a\ufffd": ["\ufffdx", "\U0001f600"]}


def test_fractions_are_exact_where_asked_for() -> None:
    assert parse_exactly(b"[1.10, 1e3]") == [Decimal("1.10"), Decimal("1e3")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON: Expecting value at line 1, column 1"),
        (b"<xml/>", "the body is not JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1,\n "b" 2}', "the body is not JSON: Expecting ':' delimiter at line 2, column 6"),
        (b'{"a": "\xff"}', "the body is not text in UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the body has a number that is too long"),
        (b"[" * 100_000, "the body is nested more than 500 levels deep"),
    ],
)
def test_body_that_is_not_json_is_an_error_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(UnreadableBody) as failure:
        parse_json(body)
    assert str(failure.value) == reason
