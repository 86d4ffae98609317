"""Which JSON Schemas are taken (draft 2020-12), and how data is held to them.

A schema is somebody's program that runs on everybody's events, so it is bounded: in size and depth, in what it may
cost (``cost.py``), in its regular expressions (of the kind that runs in linear time: no look-around, no references
back), and it refers to nothing outside of itself. Nothing is ever fetched.

``format`` is a remark, as the draft has it by default, and is not checked.
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

import jsonschema_rs

from subscriptions.errors import Invalid
from subscriptions.event_types.schema_cost import TooCostly, check_cost
from subscriptions.validation import check_json

__all__ = [
    "DIALECT",
    "CompiledSchema",
    "Violation",
    "check_examples",
    "check_schema",
    "compile_schema",
    "find_violations",
    "to_json",
]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA = 64 * 1024  # bytes as JSON
MAX_DEPTH = 32
MAX_EXAMPLES, MAX_EXAMPLES_BYTES = 10, 64 * 1024
MAX_REGEX = 1024 * 1024  # bytes of a compiled regular expression
MOST_VIOLATIONS = 10  # are told
LONGEST = 200  # characters of a message
ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor")
REGEX = jsonschema_rs.RegexOptions(size_limit=MAX_REGEX, dfa_size_limit=MAX_REGEX)

CompiledSchema = jsonschema_rs.Draft202012Validator


@dataclass(frozen=True, slots=True)
class Violation:
    """Where data does not fit, as a JSON pointer (RFC 6901) into it, and how."""

    pointer: str
    detail: str


def check_schema(schema: Any) -> None:
    """Raise Refused unless this is a JSON Schema that we take; it names the place in the schema."""
    if not isinstance(schema, dict):
        raise _refused("Give an object: a JSON Schema of draft 2020-12.")
    check_json("schema", schema, MAX_SCHEMA, MAX_DEPTH)
    if schema.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        raise _refused(f"This is of another draft; only {DIALECT} is taken.", "/$schema")
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": DIALECT})
    except jsonschema_rs.ValidationError as error:
        raise _refused(_cut(error.message), _pointer(error.instance_path)) from None
    _check_references(schema, schema, "")
    try:
        check_cost(schema)
    except TooCostly as error:
        raise _refused(f"It may not be used to validate: {error}.") from None
    except KeyError as error:
        raise _refused(f"There is nothing at {error.args[0]}.") from None
    compile_schema(schema)


def compile_schema(schema: Any) -> CompiledSchema:
    """The schema ready for use. Raises Refused."""
    try:
        return CompiledSchema(schema, retriever=_nothing, pattern_options=REGEX)
    except jsonschema_rs.ValidationError as error:
        raise _refused(_cut(error.message), _pointer(error.instance_path)) from None
    except ValueError as error:
        raise _refused(_cut(str(error))) from None


def find_violations(schema: CompiledSchema, value: Any) -> list[Violation]:
    """Where this value does not fit: the first ten places."""
    found: list[Violation] = []
    for error in schema.iter_errors(value):
        found.append(Violation(_pointer(error.instance_path), _cut(error.message)))
        if len(found) == MOST_VIOLATIONS:
            break
    return found


def check_examples(examples: Any, schema: Any) -> None:
    """Raise Refused unless these are a few examples of data that fits."""
    if not isinstance(examples, list) or len(examples) > MAX_EXAMPLES:
        raise Invalid("examples", f"Give a list of at most {MAX_EXAMPLES} examples of the data.")
    check_json("examples", examples, MAX_EXAMPLES_BYTES, MAX_DEPTH)
    if schema is None:
        return
    held = compile_schema(schema)
    for place, example in enumerate(examples):
        for it in find_violations(held, example)[:1]:
            raise Invalid("examples", f"Example {place} does not fit the schema: {it.detail}", f"/{place}{it.pointer}")


def _check_references(node: Any, root: Any, at: str) -> None:
    """Only ``#`` and ``#/...``: what can be resolved by looking at this very document."""
    if isinstance(node, dict):
        for name, inner in node.items():
            here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            if name == "$ref" and isinstance(inner, str) and inner != "#" and not inner.startswith("#/"):
                raise _refused("A $ref leads to a place in this schema, like #/$defs/name; nothing is fetched.", here)
            if isinstance(inner, str) and (name in ELSEWHERE or (name == "$id" and node is not root)):
                raise _refused(f"{name} is not taken; write a $ref like #/$defs/name.", here)
            _check_references(inner, root, here)
    elif isinstance(node, list):
        for place, inner in enumerate(node):
            _check_references(inner, root, f"{at}/{place}")


def _nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _refused(message: str, place: str = "") -> Invalid:
    return Invalid("schema", message, place)


def to_json(document: Any) -> str:
    """How a schema or an example is kept."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
