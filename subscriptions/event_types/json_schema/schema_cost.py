"""Bound the cost of validating with a schema before it is used: it must grow with the data, not exponentially.

A schema can apply several others to one place in the data (``allOf``, ``$ref``, ...), and each of these several to a
place below it. Written recursively, that doubles with every level of the data: a few lines of schema would keep a
processor busy for years. So ``check_cost`` counts how many schemas can apply to one place, level by level. A schema
that applies itself to the same place would never end, and is rejected as well.
"""

from collections.abc import Iterator
from typing import Any

MAX_APPLIED = 256  # schemas that apply to one place in the data
MAX_LEVELS = 128  # of the data; an event is not deeper
IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
IN_PLACE_SINGLE = ("not", "if", "then", "else")

Schema = dict[str, Any]


class TooCostly(ValueError):
    """Signal that validating with this schema could take unbounded time; the argument says why."""


def check_cost(schema: Any) -> None:
    """Raise TooCostly for a schema that is too costly, KeyError for a ``$ref`` that leads nowhere."""
    applications = _applications(schema)
    width = {key: applied for key, (applied, _) in applications.items()}
    for _ in range(MAX_LEVELS):
        if max(width.values()) > MAX_APPLIED:
            raise TooCostly(f"more than {MAX_APPLIED} of its parts can apply to one place in the data")
        below = {
            key: max((sum(width[child] for child in group) for group in children), default=0)
            for key, (_, children) in applications.items()
        }
        if not any(below.values()):
            return
        width = below


def resolve_pointer(schema: Any, ref: str) -> Any:
    """Return what ``#/...`` points to. Raises KeyError."""
    found = schema
    for step in ref.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (ValueError, IndexError, TypeError):
            raise KeyError(ref) from None
    return found


def _applications(schema: Any) -> dict[int, tuple[int, list[list[int]]]]:
    """Return for every schema that can apply, by its ``id()``: how many apply to its place, and the groups below it.

    A group is the schemas that apply together to one member or item below that place.
    """
    found: dict[int, tuple[int, list[list[int]]]] = {}
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        try:
            applied = list(_applied_with(node, schema, ()))
        except RecursionError:
            raise TooCostly("its parts refer to each other in too long a chain") from None
        groups = [group for group in _groups_below(applied) if group]
        found[id(node)] = len(applied), [[id(child) for child in group] for group in groups]
        waiting += [child for group in groups for child in group]
    return found


def _applied_with(node: Any, root: Any, above: tuple[int, ...]) -> Iterator[Schema]:
    """Yield the schema and all that apply where it applies, as often as they do."""
    if not isinstance(node, dict):
        return
    if id(node) in above:
        raise TooCostly("a part of it applies itself to the same place in the data, without end")
    yield node
    for count, child in enumerate(_in_place(node, root)):
        for inner, each in enumerate(_applied_with(child, root, (*above, id(node)))):
            if count + inner > MAX_APPLIED:
                raise TooCostly(f"more than {MAX_APPLIED} of its parts can apply to one place in the data")
            yield each


def _in_place(node: Schema, root: Any) -> Iterator[Any]:
    """Yield the subschemas that apply to the same place as the schema itself."""
    for name in IN_PLACE_LISTS:
        yield from node.get(name, ())
    yield from (node[name] for name in IN_PLACE_SINGLE if name in node)
    yield from node.get("dependentSchemas", {}).values()
    if "$ref" in node:
        yield resolve_pointer(root, node["$ref"])


def _groups_below(applied: list[Schema]) -> Iterator[list[Schema]]:
    """Yield what applies to each member and item that the schemas name, and to all that they do not name."""
    names = {name for node in applied for name in node.get("properties", ())}
    for name in (*names, None):
        yield [child for node in applied for child in _for_member(node, name) if isinstance(child, dict)]
    longest = max((len(node.get("prefixItems", ())) for node in applied), default=0)
    for index in range(longest + 1):
        yield [child for node in applied for child in _for_item(node, index) if isinstance(child, dict)]


def _for_member(node: Schema, name: str | None) -> Iterator[Any]:
    if name is not None and name in node.get("properties", ()):
        yield node["properties"][name]
    elif "additionalProperties" in node:
        yield node["additionalProperties"]
    elif "unevaluatedProperties" in node:
        yield node["unevaluatedProperties"]
    yield from node.get("patternProperties", {}).values()


def _for_item(node: Schema, index: int) -> Iterator[Any]:
    prefix = node.get("prefixItems", ())
    if index < len(prefix):
        yield prefix[index]
    elif "items" in node:
        yield node["items"]
    elif "unevaluatedItems" in node:
        yield node["unevaluatedItems"]
    if "contains" in node:
        yield node["contains"]
