"""Outline a schema for people: one row for each field of the data, the fields inside it indented below.

The outline shows types, required fields, descriptions, lists and enumerated values. The catalogue shows the schema
itself below it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from subscriptions.event_types.json_schema.schema_cost import resolve_pointer

MAX_DEPTH = 5
MAX_ROWS = 300
MAX_REFERENCES = 32  # followed from one $ref to the next
MAX_VALUES_SHOWN = 12
INDENT = "    "


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """Describe one field."""

    name: str
    kind: str
    required: bool
    text: str
    depth: int

    @property
    def indent(self) -> str:
        """Return the blanks before the name."""
        return INDENT * self.depth


def outline(schema: Any) -> list[OutlineRow]:
    """Return the fields of the data in the order of the schema, at most MAX_ROWS."""
    rows = []
    for row in _fields(schema, schema, 0):
        rows.append(row)
        if len(rows) == MAX_ROWS:
            break
    return rows


def _fields(node: Any, root: Any, depth: int) -> Iterator[OutlineRow]:
    node = _resolved(node, root)
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return
    if "items" in node and "properties" not in node:
        yield from _fields(node["items"], root, depth)
    required = node.get("required", ())
    for name, inner in node.get("properties", {}).items():
        resolved = _resolved(inner, root)
        described = {**resolved, **inner} if isinstance(resolved, dict) and isinstance(inner, dict) else {}
        yield OutlineRow(name, _kind(resolved, root), name in required, _text(described), depth)
        yield from _fields(resolved, root, depth + 1)
    for part in node.get("allOf", ()):
        yield from _fields(part, root, depth)


def _kind(node: Any, root: Any) -> str:
    if not isinstance(node, dict):
        return "anything"
    if "const" in node or "enum" in node:
        return "one of a few values" if len(node.get("enum", ())) > 1 else "one value"
    types = node.get("type", ())
    types = [types] if isinstance(types, str) else list(types)
    kind = " or ".join(types) or ("one of several" if {"oneOf", "anyOf"} & node.keys() else "anything")
    if types == ["array"] and "items" in node:
        return f"list of {_kind(_resolved(node['items'], root), root)}"
    return f"{kind}, {node['format']}" if "format" in node else kind


def _text(node: dict[str, Any]) -> str:
    values = [node["const"]] if "const" in node else node.get("enum", [])
    shown = ", ".join(map(str, values[:MAX_VALUES_SHOWN])) + (", ..." if len(values) > MAX_VALUES_SHOWN else "")
    return " ".join(part for part in (str(node.get("description", "")), f"({shown})" if shown else "") if part)


def _resolved(node: Any, root: Any) -> Any:
    for _ in range(MAX_REFERENCES):
        if not (isinstance(node, dict) and "$ref" in node):
            break
        node = resolve_pointer(root, node["$ref"])
    return node
