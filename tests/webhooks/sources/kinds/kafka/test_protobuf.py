"""Test the parser of .proto files and the decoding of messages, which the protobuf library writes."""

from typing import Any

import pytest
from google.protobuf import message_factory

from webhooks.sources.kinds.kafka.proto_text import InvalidProto, parse_proto
from webhooks.sources.kinds.kafka.protobuf import InvalidMessage, ProtobufSchema, read_indexes

ORDER = """
syntax = "proto3"; // a comment
package shop.v1;
import "google/protobuf/timestamp.proto";
import public "common/money.proto";
import "confluent/meta.proto";
import "confluent/type/decimal.proto";
option java_package = "com.example";
/* message Hidden { } */
message Order {
  reserved 4, 5 to 7; reserved "old";
  option (confluent.message_meta) = { doc: "an; order}", params: [ { key: "a" } ] };
  string id = 1 [(x.y) = "a;}", json_name = "ID"];
  int64 number = 2;
  repeated Line lines = 3;
  map<string, Line> by_sku = 8;
  enum Kind { option allow_alias = true; UNKNOWN = 0; PAID = 0x1 [deprecated = true]; SETTLED = 1; LOST = -1; }
  Kind kind = 9;
  message Line { string sku = 1; double price = 2; optional int32 quantity = 3; }
  oneof payment { string card = 10; bytes token = 11; }
  google.protobuf.Timestamp at = 12;
  common.Money money = 13;
  Order parent = 14;
  confluent.type.Decimal total = 15;
  string message = 16;
  .shop.v1.Order.Line first = 17;
}
message Second { message Inner { bool yes = 1; } }
service Orders { rpc Get (Order) returns (Second) { option (http) = { get: "/a" }; } }
"""
MONEY = {
    "common/money.proto": 'syntax = "proto3"; package common; message Money { string currency = 1; int64 cents = 2; }'
}


def message_of(schema: ProtobufSchema, name: str, **fields: Any) -> Any:
    return message_factory.GetMessageClass(schema._pool.FindMessageTypeByName(name))(**fields)


def test_message_becomes_json_with_its_defaults_and_names_as_written():
    schema = ProtobufSchema(ORDER, MONEY)
    order = message_of(schema, "shop.v1.Order", id="1", number=2**60, kind=1, token=b"\x00\xff")
    order.lines.add(sku="x", price=1.5, quantity=0)
    order.by_sku["k"].sku = "y"
    order.at.FromJsonString("2026-01-01T00:00:00.5Z")
    order.money.cents = 5
    assert schema.decode(order.SerializeToString(), [0]) == {
        "id": "1",
        "number": "1152921504606846976",
        "lines": [{"sku": "x", "price": 1.5, "quantity": 0}],
        "by_sku": {"k": {"sku": "y", "price": 0.0}},
        "kind": "PAID",
        "token": "AP8=",
        "at": "2026-01-01T00:00:00.500Z",
        "money": {"currency": "", "cents": "5"},
        "message": "",
    }


def test_proto2_groups_and_required_fields_are_read():
    text = """syntax = "proto2"; message A { required int32 r = 1 [default = -7];
        optional group G = 2 { optional int32 z = 1; } extensions 100 to max; } extend A { optional int32 e = 100; }"""
    schema = ProtobufSchema(text)
    written = message_of(schema, "A", r=1, g={"z": 2})
    assert schema.decode(written.SerializeToString(), "A") == {"r": 1, "g": {"z": 2}}


def test_message_is_named_by_its_indexes_or_its_name():
    schema = ProtobufSchema(ORDER, MONEY)
    assert schema.message_name([1, 0]) == "shop.v1.Second.Inner"
    assert schema.decode(b"\x08\x01", [1, 0]) == {"yes": True}
    assert (
        schema.decode(b"\x08\x01", "Second.Inner")
        == schema.decode(b"\x08\x01", "shop.v1.Second.Inner")
        == {"yes": True}
    )
    for path in ([7], [1, 7], [-1], "Absent"):
        with pytest.raises(InvalidMessage):
            schema.decode(b"", path)


@pytest.mark.parametrize(
    ("data", "expected"), [(b"\x00x", ([0], 1)), (b"\x02\x00x", ([0], 2)), (b"\x04\x02\x00x", ([1, 0], 3))]
)
def test_read_indexes_returns_them_and_the_place_behind(data, expected):
    assert read_indexes(data, 0) == expected


@pytest.mark.parametrize("data", [b"", b"\x03", b"\x04\x02", b"\xff" * 9, b"\xfe\x01" + b"\x00" * 200])
def test_read_indexes_refuses_what_are_none(data):
    with pytest.raises(InvalidMessage):
        read_indexes(data, 0)


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        size, prefix = len(data), b""
        while size > 0x7F:
            prefix += bytes([size & 0x7F | 0x80])
            size >>= 7
        data = b"\x0a" + prefix + bytes([size]) + data
    return data


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x05ab", nested(3000)])
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(InvalidMessage):
        ProtobufSchema('syntax = "proto2"; message N { optional N n = 1; }').decode(data, [0])


@pytest.mark.parametrize(
    "text",
    [
        "message",
        "message A {",
        "message A { string a = ; }",
        "message A { string a = 0; }",
        "message A { string a = x; }",
        "message A { string a = 99999999999; }",
        "message A { Absent a = 1; }",
        "message A { map<double, int32> m = 1; }",
        "message A { string a = 1; string b = 1; }",
        "message A { string a = 1 } ",
        "message 7 { }",
        "enum E { }",
        "message A {" * 100 + "}" * 100,
        'import "schema.proto"; message A { }  message A { }',
        "message \ud800 {}",
    ],
)
def test_text_that_is_no_proto_file_is_refused(text):
    with pytest.raises(InvalidProto):
        ProtobufSchema(text)


def test_files_that_import_each_other_are_refused():
    with pytest.raises(InvalidProto, match="Imports itself"):
        ProtobufSchema('import "a"; message X { }', {"a": 'import "b";', "b": 'import "a";'})


def test_parse_reads_over_what_decoding_does_not_need():
    file = parse_proto(ORDER, "order.proto")
    assert [it.name for it in file.message_type] == ["Order", "Second"]
    assert [it.name for it in file.message_type[0].field][:2] == ["id", "number"]
