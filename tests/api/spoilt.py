"""What can be wrong with a field, made up from what the description says of it."""

from collections.abc import Iterator
from typing import Any

from tests.api.operations import description

BELOW, ABOVE = -(2**63) - 1, 2**63
TYPES = {"string", "integer", "number", "boolean", "array", "object", "null"}
OF_ANOTHER_TYPE = (5, 1.5, True, "5", [], {}, None)
HIDDEN = ("a\u0000b", "a\r\nb")
LONG_WITHOUT_A_LIMIT = 70_000  # characters, where the description gives no limit: a name, an address, a secret


def spoil(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that a field of this schema does not take."""
    forms = list(_forms(schema))
    types = {it for form in forms for it in _types(form)}
    if types == TYPES:
        return  # any JSON: what is wrong with it is not for the description to say
    yield from (value for value in OF_ANOTHER_TYPE if not types & _is(value))
    for form in forms:
        if "enum" in form and "string" in _types(form):
            yield "nothing-of-this-name"
        yield from _beyond(form, types)


def _beyond(form: dict[str, Any], types: set[str]) -> Iterator[Any]:
    """Of the right type, and too much or too little."""
    kinds = _types(form)
    if "string" in kinds:
        yield "x" * (form.get("maxLength", LONG_WITHOUT_A_LIMIT) + 1)
        yield from HIDDEN
    if kinds & {"integer", "number"}:
        yield from (
            form["minimum"] - 1 if "minimum" in form else BELOW,
            form["maximum"] + 1 if "maximum" in form else ABOVE,
        )
        yield 10**30
    if "array" in kinds:
        items = form.get("items", {})
        yield from ([value] for value in spoil(items))
        if "maxItems" in form and items:
            yield [_one_of(items)] * (form["maxItems"] + 1)
        if form.get("minItems"):
            yield []
    if "object" in kinds and form.get("additionalProperties") is False:
        yield {"no_such_field": 1}


def _forms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alternatives of a schema, each by itself."""
    if "$ref" in schema:
        yield from _forms(description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif "oneOf" in schema or "allOf" in schema:
        beside = {name: it for name, it in schema.items() if name not in ("oneOf", "allOf")}
        for inner in schema.get("oneOf", schema.get("allOf", ())):
            yield from ({**beside, **form} for form in _forms(inner))
    else:
        yield schema


def _types(form: dict[str, Any]) -> set[str]:
    named = form.get("type", TYPES)
    types = {named} if isinstance(named, str) else set(named)
    return types | {"null"} if form.get("nullable") or None in form.get("enum", ()) else types


def _is(value: Any) -> set[str]:
    """What JSON Schema calls it."""
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    names = {str: "string", float: "number", list: "array", dict: "object", type(None): "null"}
    return {names[type(value)]}


def _one_of(items: dict[str, Any]) -> Any:
    form = next(_forms(items))
    if "enum" in form:
        return form["enum"][0]
    kind = next(iter(_types(form) - {"null"}))
    return {"string": "x", "integer": form.get("minimum", 1), "object": {}}.get(kind)
