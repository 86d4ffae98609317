"""Test the decoder of Avro against data that fastavro writes, and against hostile data."""

import io
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.sources.kinds.kafka.avro import AvroSchema, InvalidSchema
from webhooks.sources.kinds.kafka.avro_values import InvalidData

NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def decoded(schema: Any, data: bytes) -> Any:
    return AvroSchema(json.dumps(schema)).decode(data)


def logical(kind: str, what: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": what, **more}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -(2**31), -(2**31)),
        ("long", 2**63 - 1, 2**63 - 1),
        ("long", -(2**63), -(2**63)),
        ("double", 1.5, 1.5),
        ("double", math.nan, "NaN"),
        ("double", -math.inf, "-Infinity"),
        ("bytes", b"\x00\xff", "AP8="),
        ("string", "žluť", "žluť"),
        ({"type": "fixed", "name": "F", "size": 2}, b"ab", "YWI="),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": ["null", "int"]}, {"a": 1, "b": None}, {"a": 1, "b": None}),
        (["null", "string", "int"], 5, 5),
        (
            logical("bytes", "decimal", precision=40, scale=3),
            Decimal("-123456789012345678901234567890.100"),
            "-123456789012345678901234567890.100",
        ),
        (logical("bytes", "decimal", precision=4, scale=2), Decimal("0.05"), "0.05"),
        (logical("fixed", "decimal", name="D", size=4, precision=9), Decimal("-7"), "-7"),
        (logical("int", "date"), date(2026, 2, 28), "2026-02-28"),
        (logical("int", "time-millis"), time(1, 2, 3, 4000), "01:02:03.004"),
        (logical("long", "time-micros"), time(1, 2, 3, 4), "01:02:03.000004"),
        (logical("long", "timestamp-millis"), datetime(2026, 1, 2, 3, 4, 5, 6000, UTC), "2026-01-02T03:04:05.006Z"),
        (
            logical("long", "timestamp-micros"),
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            "1969-12-31T23:59:59.999999Z",
        ),
        (logical("long", "local-timestamp-micros"), datetime(2026, 1, 2), "2026-01-02T00:00:00.000000"),
        (logical("long", "timestamp-nanos"), 1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
        (logical("string", "uuid"), UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (logical("long", "timestamp-millis"), 2**60, 2**60),
        (logical("int", "date"), 2**30, 2**30),
        (logical("int", "time-millis"), -1, -1),
    ],
)
def test_value_becomes_json_without_loss(schema, value, expected):
    raw = fastavro.parse_schema(schema) if not isinstance(value, int) or isinstance(value, bool) else schema
    plain = (
        {"type": schema["type"]}
        if isinstance(value, int) and isinstance(schema, dict) and "logicalType" in schema
        else raw
    )
    assert decoded(schema, written(plain, value)) == expected


def test_fixed_uuid_and_duration_are_text_and_an_object():
    assert decoded(logical("fixed", "uuid", name="U", size=16), UUID(int=7).bytes) == str(UUID(int=7))
    assert decoded(logical("fixed", "duration", name="D", size=12), bytes([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])) == {
        "months": 1,
        "days": 2,
        "milliseconds": 3,
    }


def test_logical_type_that_does_not_fit_its_type_is_ignored():
    assert decoded(logical("string", "date"), written("string", "x")) == "x"
    assert decoded(logical("bytes", "decimal", precision=2, scale=-1), b"\x02a") == "YQ=="


def test_names_are_resolved_in_namespaces_and_in_references():
    money = '{"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]}'
    order = {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [{"name": "price", "type": "Money"}, {"name": "tax", "type": "shop.Money"}],
    }
    schema = AvroSchema(json.dumps(order), [money])
    assert schema.decode(b"\x02\x04") == {"price": {"cents": 1}, "tax": {"cents": 2}}


def test_recursive_records_are_decoded_to_a_depth():
    assert decoded(NODE, b"\x02\x02\x00") == {"next": {"next": {"next": None}}}
    with pytest.raises(InvalidData, match="inside one another"):
        decoded(NODE, b"\x02" * 1_000_000 + b"\x00")


def test_array_of_values_without_bytes_has_no_more_items_than_the_data_has_bytes():
    with pytest.raises(InvalidData, match="more items"):
        decoded({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x00")


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("bytes", b"\x20ab"),
        ("bytes", b"\x03ab"),
        ("string", b"\x04\xff\xff"),
        ("long", b"\xff" * 12),
        ("double", b"ab"),
        ("boolean", b"\x07"),
        ("int", b""),
        ("int", b"\x02\x02"),
        (["null", "int"], b"\x08"),
        (["null", "int"], b"\x01"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02"),
        ({"type": "fixed", "name": "F", "size": 4}, b"ab"),
        (logical("bytes", "decimal", precision=9, scale=2), b"\xfe\xff\x03" + b"\x01" * 70_000),
    ],
)
def test_data_that_the_schema_does_not_describe_is_refused(schema, data):
    with pytest.raises(InvalidData):
        decoded(schema, data)


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(data):
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "a", "type": {"type": "array", "items": ["null", "R", "string", "double"]}},
            {"name": "m", "type": {"type": "map", "values": logical("long", "timestamp-micros")}},
            {"name": "d", "type": logical("bytes", "decimal", precision=9, scale=2)},
        ],
    }
    try:
        decoded(schema, data)
    except InvalidData:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        '"Missing"',
        '{"type": "record", "fields": []}',
        '{"type": "record", "name": "R", "fields": [7]}',
        '{"type": "record", "name": "R"}',
        '{"type": "enum", "name": "E", "symbols": [1]}',
        '{"type": "fixed", "name": "F", "size": -1}',
        '{"type": "array"}',
        "[" * 100_000,
    ],
)
def test_text_that_is_no_schema_is_refused(text):
    with pytest.raises(InvalidSchema):
        AvroSchema(text)


def test_local_time_before_the_epoch_is_exact():
    moment = datetime(1900, 1, 1, 0, 0, 0, 1) - timedelta(0)
    data = written(logical("long", "local-timestamp-micros"), moment)
    assert decoded(logical("long", "local-timestamp-micros"), data) == "1900-01-01T00:00:00.000001"
