"""Check, compile and apply JSON Schemas (draft 2020-12).

A schema is a program that a tenant wrote and that runs on every event. So its size, depth and cost (schema_cost) are
limited, its regular expressions run in linear time (no look-around, no backreferences), and it refers only to itself:
nothing is ever fetched. ``format`` is an annotation, the draft's default, and is not checked.
"""

from dataclasses import dataclass
from typing import Any, NoReturn

import jsonschema_rs

from subscriptions.errors import Invalid
from subscriptions.event_types.json_schema.schema_cost import TooCostly, check_cost
from subscriptions.json_limits import check_json
from webhooks.wire.json_numbers import with_decimals

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA = 64 * 1024  # bytes as JSON
MAX_DEPTH = 32
MAX_EXAMPLES = 10
MAX_EXAMPLES_BYTES = 64 * 1024  # of all examples, as JSON
MAX_REGEX = 1024 * 1024  # bytes of a compiled regular expression
MAX_VIOLATIONS = 10  # reported of one event
MAX_MESSAGE = 200  # characters
HIDDEN = "The value"  # in place of a value that a violation must not quote
FORBIDDEN_KEYWORDS = ("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor")
REGEX_OPTIONS = jsonschema_rs.RegexOptions(size_limit=MAX_REGEX, dfa_size_limit=MAX_REGEX)

CompiledSchema = jsonschema_rs.Draft202012Validator


@dataclass(frozen=True, slots=True)
class Violation:
    """Describe where data does not match a schema, as a JSON pointer (RFC 6901) into the data, and how."""

    pointer: str
    detail: str


def check_schema(schema: Any) -> None:
    """Raise Invalid for ``schema`` unless it can be used; the error points into the schema."""
    if not isinstance(schema, dict):
        raise _invalid("Must be an object: a JSON Schema of draft 2020-12.")
    check_json("schema", schema, MAX_SCHEMA, MAX_DEPTH)
    if schema.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        raise _invalid(f"Must be {DIALECT}; other drafts are not supported.", "/$schema")
    try:
        jsonschema_rs.meta.validate(with_decimals({**schema, "$schema": DIALECT}))
    except jsonschema_rs.ValidationError as error:
        raise _invalid(_shortened(error.message), json_pointer(error.instance_path)) from None
    _check_references(schema, schema, "")
    try:
        check_cost(schema)
    except TooCostly as error:
        raise _invalid(f"Is too costly to validate with: {error}.") from None
    except KeyError as error:
        raise _invalid(f"There is nothing at {error.args[0]}.") from None
    compile_schema(schema)


def compile_schema(schema: Any, *, quotes: bool = True) -> CompiledSchema:
    """Compile a schema. Raises Invalid. ``quotes``: whether violations quote the values that violate it."""
    mask = None if quotes else HIDDEN
    try:
        return CompiledSchema(
            with_decimals(schema), retriever=_reject_retrieval, pattern_options=REGEX_OPTIONS, mask=mask
        )
    except jsonschema_rs.ValidationError as error:
        raise _invalid(_shortened(error.message), json_pointer(error.instance_path)) from None
    except ValueError as error:
        raise _invalid(_shortened(str(error))) from None


def find_violations(schema: CompiledSchema, value: Any) -> list[Violation]:
    """Return where the value does not match, at most MAX_VIOLATIONS."""
    found: list[Violation] = []
    for error in schema.iter_errors(value):
        found.append(Violation(json_pointer(error.instance_path), _shortened(error.message)))
        if len(found) == MAX_VIOLATIONS:
            break
    return found


def check_examples(examples: Any, schema: Any) -> None:
    """Raise Invalid for ``examples`` unless they are a short list of data that matches the schema, if there is one."""
    if not isinstance(examples, list) or len(examples) > MAX_EXAMPLES:
        raise Invalid("examples", f"Must be an array of at most {MAX_EXAMPLES} examples of the data.")
    check_json("examples", examples, MAX_EXAMPLES_BYTES, MAX_DEPTH)
    if schema is None:
        return
    compiled = compile_schema(schema)
    for index, example in enumerate(examples):
        for violation in find_violations(compiled, with_decimals(example))[:1]:
            message = f"Example {index} does not match the schema: {violation.detail}"
            raise Invalid("examples", message, f"/{index}{violation.pointer}")


def json_pointer(path: list[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _check_references(node: Any, root: Any, at: str) -> None:
    """Raise Invalid for a reference that leads out of this schema: only ``#`` and ``#/...`` are allowed."""
    if isinstance(node, dict):
        for name, inner in node.items():
            pointer = at + json_pointer([name])
            if name == "$ref" and isinstance(inner, str) and inner != "#" and not inner.startswith("#/"):
                raise _invalid("Must refer to a part of this schema, like #/$defs/name.", pointer)
            if isinstance(inner, str) and (name in FORBIDDEN_KEYWORDS or (name == "$id" and node is not root)):
                raise _invalid(f"{name} is not supported; use a $ref like #/$defs/name.", pointer)
            _check_references(inner, root, pointer)
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            _check_references(inner, root, f"{at}/{index}")


def _reject_retrieval(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"


def _invalid(message: str, pointer: str = "") -> Invalid:
    return Invalid("schema", message, pointer)
