"""A schema as a table that people read: one line for each field, what is in it indented below.

It shows what most schemas say: types, what is required, descriptions, lists, alternatives by name. Whoever needs all of
it reads the schema itself, which stands below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from subscriptions.event_types.schema_cost import resolve_pointer

__all__ = ["OutlineRow", "outline"]

DEEPEST = 5
MOST_LINES = 300
INDENT = "    "


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """One field."""

    name: str
    kind: str
    required: bool
    text: str
    depth: int

    @property
    def indent(self) -> str:
        """What stands before the name."""
        return INDENT * self.depth


def outline(schema: Any) -> list[OutlineRow]:
    """The fields of the data, in the order in which the schema has them."""
    lines = []
    for line in _fields(schema, schema, 0):
        lines.append(line)
        if len(lines) == MOST_LINES:
            break
    return lines


def _fields(node: Any, root: Any, depth: int) -> Iterator[OutlineRow]:
    node = _resolved(node, root)
    if not isinstance(node, dict) or depth > DEEPEST:
        return
    if "items" in node and "properties" not in node:
        yield from _fields(node["items"], root, depth)
    required = node.get("required", ())
    for name, inner in node.get("properties", {}).items():
        seen = _resolved(inner, root)
        about = {**seen, **inner} if isinstance(seen, dict) and isinstance(inner, dict) else {}
        yield OutlineRow(name, _kind(seen, root), name in required, _text(about), depth)
        yield from _fields(seen, root, depth + 1)
    for part in node.get("allOf", ()):
        yield from _fields(part, root, depth)


def _kind(node: Any, root: Any) -> str:
    if not isinstance(node, dict):
        return "anything"
    if "const" in node or "enum" in node:
        return "one of a few values" if len(node.get("enum", ())) > 1 else "one value"
    kinds = node.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    said = " or ".join(kinds) or ("one of several" if {"oneOf", "anyOf"} & node.keys() else "anything")
    if kinds == ["array"] and "items" in node:
        return f"list of {_kind(_resolved(node['items'], root), root)}"
    return f"{said}, {node['format']}" if "format" in node else said


def _text(node: dict[str, Any]) -> str:
    values = [node["const"]] if "const" in node else node.get("enum", [])
    shown = ", ".join(map(str, values[:12])) + (", ..." if len(values) > 12 else "")
    return " ".join(part for part in (str(node.get("description", "")), f"({shown})" if shown else "") if part)


def _resolved(node: Any, root: Any) -> Any:
    for _ in range(32):
        if not (isinstance(node, dict) and "$ref" in node):
            break
        node = resolve_pointer(root, node["$ref"])
    return node
