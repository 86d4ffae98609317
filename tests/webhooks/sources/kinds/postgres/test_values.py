"""Test values in text form; that PostgreSQL writes them so is in test_changes."""

import orjson
import pytest

from webhooks.sources.kinds.postgres.values import converter

CASES = [
    (16, b"t", True),
    (16, b"f", False),
    (20, b"9223372036854775807", 9223372036854775807),
    (701, b"0.1", 0.1),
    (701, b"-Infinity", "-Infinity"),
    (1700, b"1.10", "1.10"),
    (1700, b"NaN", "NaN"),
    (1184, b"2026-01-02 01:04:05.6+00", "2026-01-02T01:04:05.6Z"),
    (1184, b"infinity", "infinity"),
    (1184, b"0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"),
    (1114, b"2026-01-02 01:04:05", "2026-01-02T01:04:05"),
    (17, b"\\x00ff", "AP8="),
    (3802, b'{"a": 1.50}', {"a": 1.5}),
    (1009, b"{}", []),
    (1009, b'{a,NULL,"NULL","b,c","d\\"e\\\\",""}', ["a", None, "NULL", "b,c", 'd"e\\', ""]),
    (1007, b"{{1,2},{3,NULL}}", [[1, 2], [3, None]]),
    (1007, b"[0:1]={7,8}", [7, 8]),
    (1231, b"{1.10}", ["1.10"]),
    (3807, b'{"{\\"a\\": [1]}"}', [{"a": [1]}]),
    (50_000, b"own", "own"),
    (50_001, b"{5}", [5]),
    (50_002, b"5", 5),
]
TYPES = {50_001: (23, 0), 50_002: (0, 23)}


@pytest.mark.parametrize(("oid", "text", "value"), CASES)
def test_convert_keeps_all_of_a_value(oid: int, text: bytes, value: object) -> None:
    assert orjson.loads(orjson.dumps(converter(oid, TYPES)(text))) == value


def test_json_keeps_its_digits() -> None:
    assert orjson.dumps(converter(3802, {})(b'{"a": 1.50, "b": 123456789012345678901}')) == (
        b'{"a": 1.50, "b": 123456789012345678901}'
    )


@pytest.mark.parametrize(
    ("oid", "text"),
    [
        (25, b"\xff"),
        (114, b"\xff"),
        (1007, b"1"),
        (1007, b"{1"),
        (1009, b'{"a'),
        (1009, b"{}}"),
        (1009, b"{a}{b}"),
        (23, b"x"),
    ],
)
def test_convert_of_a_value_that_is_none_raises_value_error(oid: int, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        converter(oid, {})(text)
