"""Generate invalid values of a field from its schema in the OpenAPI description."""

from collections.abc import Iterator
from typing import Any

from tests.api.operations import description
from tests.hostile_json import LONG_TEXT

BELOW, ABOVE = -(2**63) - 1, 2**63
TYPES = {"string", "integer", "number", "boolean", "array", "object", "null"}
OF_ANOTHER_TYPE = (5, 1.5, True, "5", [], {}, None)
CONTROL_CHARACTERS = ("a\u0000b", "a\r\nb")


def invalid_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield values that a field of this schema rejects."""
    forms = list(forms_of(schema))
    types = {it for form in forms for it in types_of(form)}
    if types == TYPES:
        return  # any JSON value is valid
    yield from (value for value in OF_ANOTHER_TYPE if not types & _is(value))
    for form in forms:
        if "enum" in form and "string" in types_of(form):
            yield "nothing-of-this-name"
        yield from _beyond(form, types)


def _beyond(form: dict[str, Any], types: set[str]) -> Iterator[Any]:
    """Yield values of the right type beyond the limits of the schema."""
    kinds = types_of(form)
    if "string" in kinds:
        yield "x" * (form.get("maxLength", LONG_TEXT) + 1)
        yield from CONTROL_CHARACTERS
    if kinds & {"integer", "number"}:
        yield from (
            form["minimum"] - 1 if "minimum" in form else BELOW,
            form["maximum"] + 1 if "maximum" in form else ABOVE,
        )
        yield 10**30
    if "array" in kinds:
        items = form.get("items", {})
        yield from ([value] for value in invalid_values(items))
        if "maxItems" in form and items:
            yield [_one_of(items)] * (form["maxItems"] + 1)
        if form.get("minItems"):
            yield []
    if "object" in kinds and form.get("additionalProperties") is False:
        yield {"no_such_field": 1}


def forms_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the alternatives of a schema."""
    if "$ref" in schema:
        yield from forms_of(description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif "oneOf" in schema or "allOf" in schema:
        beside = {name: it for name, it in schema.items() if name not in ("oneOf", "allOf")}
        for inner in schema.get("oneOf", schema.get("allOf", ())):
            yield from ({**beside, **form} for form in forms_of(inner))
    else:
        yield schema


def types_of(form: dict[str, Any]) -> set[str]:
    """Return the JSON types of a schema without alternatives."""
    named = form.get("type", TYPES)
    types = {named} if isinstance(named, str) else set(named)
    return types | {"null"} if form.get("nullable") or None in form.get("enum", ()) else types


def _is(value: Any) -> set[str]:
    """Return the JSON Schema types of a value."""
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    names = {str: "string", float: "number", list: "array", dict: "object", type(None): "null"}
    return {names[type(value)]}


def _one_of(items: dict[str, Any]) -> Any:
    form = next(forms_of(items))
    if "enum" in form:
        return form["enum"][0]
    kind = next(iter(types_of(form) - {"null"}))
    return {"string": "x", "integer": form.get("minimum", 1), "object": {}}.get(kind)
