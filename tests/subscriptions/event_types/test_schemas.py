"""Schemas: which are accepted, that none is fetched or too costly, and how violations are reported."""

from typing import Any

import pytest

from subscriptions.errors import Invalid
from subscriptions.event_types.schemas import Violation, check_examples, check_schema, compile_schema, find_violations

TREE = {
    "type": "object",
    "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": "integer"}},
}
RULES = {
    "$defs": {"r": {"oneOf": [{"properties": {"and": {"items": {"$ref": "#/$defs/r"}}}}, {"const": 1}]}},
    "$ref": "#/$defs/r",
}
TWICE = {"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]}


def doubling(levels: int) -> dict[str, Any]:
    """Return a schema in which each definition applies the next one twice."""
    definitions: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**definitions, f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}}, "required": ["a"]},
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.com/a",
            "$ref": "#/$defs/x",
            "$defs": {"x": True},
        },
        TREE,
        RULES,
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"prefixItems": [{"type": "string"}], "items": {"$ref": "#"}, "contains": {"type": "null"}},
        {"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}},
        doubling(6),
    ],
    ids=lambda schema: ascii(schema)[:40],
)
def test_check_schema_accepts_common_schemas(schema: dict[str, Any]) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ("text", ""),
        ([], ""),
        (True, ""),
        ({"type": "objekt"}, "/type"),
        ({"properties": {"a": {"minimum": "x"}}}, "/properties/a/minimum"),
        ({"properties": {"a": 5}}, "/properties/a"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"properties": {"a/b": {"$ref": "https://example.com/other"}}}, "/properties/a~1b/$ref"),
        ({"$ref": "other.json"}, "/$ref"),
        ({"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}}, "/$ref"),
        ({"$dynamicRef": "#x"}, "/$dynamicRef"),
        ({"properties": {"a": {"$id": "https://example.com/b"}}}, "/properties/a/$id"),
        ({"$ref": "#/$defs/nothing"}, ""),
        ({"pattern": "(?=a)b"}, "/pattern"),
        ({"pattern": r"(a)\1"}, "/pattern"),
        ({"pattern": "("}, "/pattern"),
        ({"pattern": "(a{500}){500}"}, "/pattern"),
        ({"$ref": "#"}, ""),
        (
            {
                "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}},
                "$ref": "#/$defs/a",
            },
            "",
        ),
        (TWICE, ""),
        (doubling(40), ""),
        (nested(40), ""),
        ({"description": "x" * 70_000}, ""),
        ({"description": "\0"}, ""),
    ],
    ids=lambda part: ascii(part)[:40],
)
def test_check_schema_error_has_a_pointer(schema: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_schema(schema)
    assert (caught.value.field, caught.value.pointer) == ("schema", pointer)


def test_check_schema_rejects_a_long_chain_of_references() -> None:
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1_500)}
    with pytest.raises(Invalid):
        check_schema({"$defs": {**chain, "d1500": {}}, "$ref": "#/$defs/d0"})


def test_find_violations_returns_pointers() -> None:
    schema = compile_schema({"properties": {"a/b": {"items": {"type": "integer"}}}, "required": ["c"]})
    found = find_violations(schema, {"a/b": [1, "x"]})
    assert Violation("/a~1b/1", '"x" is not of type "integer"') in found
    assert Violation("", '"c" is a required property') in found


def test_find_violations_returns_at_most_ten_short_ones() -> None:
    found = find_violations(compile_schema({"items": {"type": "integer"}}), ["x" * 1_000] * 50)
    assert len(found) == 10
    assert max(len(it.detail) for it in found) <= 201


def test_check_examples_rejects_an_example_that_violates_the_schema() -> None:
    schema = {"properties": {"a": {"type": "integer"}}}
    check_examples([{"a": 1}, {}], schema)
    check_examples(["anything"], None)
    with pytest.raises(Invalid) as caught:
        check_examples([{"a": 1}, {"a": "x"}], schema)
    assert (caught.value.field, caught.value.pointer) == ("examples", "/1/a")


@pytest.mark.parametrize("examples", ["x", {}, [1] * 11, ["x" * 70_000], ["\0"]], ids=lambda it: ascii(it)[:20])
def test_check_examples_limits_number_and_size(examples: Any) -> None:
    with pytest.raises(Invalid):
        check_examples(examples, None)
