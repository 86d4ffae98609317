"""What validating with a schema may cost, found out before anybody validates: it must grow with the data, not explode.

A schema can apply several others to one place in the data (``allOf``, ``$ref``, ...), and each of these several to one
place below it. Written recursively that doubles with every level of the data: a few lines of schema keep a processor
busy for years. So we count how many schemas can come to apply to one place, level by level. A schema that applies
itself to the place where it stands would never end, and is refused as well.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["TooCostly", "check_cost", "resolve_pointer"]

MOST = 256  # schemas that apply to one place in the data
LEVELS = 128  # of the data; an event is not deeper
ALTERNATIVES, SINGLE = ("allOf", "anyOf", "oneOf"), ("not", "if", "then", "else")


class TooCostly(ValueError):
    """Validating with this schema could take for ever; the argument says why."""


def check_cost(schema: Any) -> None:
    """Raises Costly, and KeyError for a ``$ref`` that leads nowhere."""
    groups = _reach(schema)
    width = {key: applied for key, (applied, _) in groups.items()}
    for _ in range(LEVELS):
        if max(width.values()) > MOST:
            raise TooCostly(f"more than {MOST} of its parts can apply to one place in the data")
        below = {
            key: max((sum(width[child] for child in group) for group in children), default=0)
            for key, (_, children) in groups.items()
        }
        if not any(below.values()):
            return
        width = below


def resolve_pointer(schema: Any, ref: str) -> Any:
    """What ``#/...`` leads to. Raises KeyError."""
    found = schema
    for step in ref.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (ValueError, IndexError, TypeError):
            raise KeyError(ref) from None
    return found


def _reach(schema: Any) -> dict[int, tuple[int, list[list[int]]]]:
    """Every schema that comes to apply somewhere: how many apply together with it, and which apply together below."""
    found: dict[int, tuple[int, list[list[int]]]] = {}
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        try:
            together = list(_together(node, schema, ()))
        except RecursionError:
            raise TooCostly("its parts refer to each other in too long a chain") from None
        groups = [group for group in _groups(together) if group]
        found[id(node)] = len(together), [[id(child) for child in group] for group in groups]
        waiting += [child for group in groups for child in group]
    return found


def _together(node: Any, root: Any, above: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """The schema and all that apply where it applies, as often as they do."""
    if not isinstance(node, dict):
        return
    if id(node) in above:
        raise TooCostly("a part of it applies itself without going down in the data, which has no end")
    yield node
    for count, child in enumerate(_in_place(node, root)):
        for inner, each in enumerate(_together(child, root, (*above, id(node)))):
            if count + inner > MOST:
                raise TooCostly(f"more than {MOST} of its parts can apply to one place in the data")
            yield each


def _in_place(node: dict[str, Any], root: Any) -> Iterator[Any]:
    for name in ALTERNATIVES:
        yield from node.get(name, ())
    yield from (node[name] for name in SINGLE if name in node)
    yield from node.get("dependentSchemas", {}).values()
    if "$ref" in node:
        yield resolve_pointer(root, node["$ref"])


def _groups(together: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """For each member and each item that they speak of, and for all others: which schemas apply to it."""
    names = {name for node in together for name in node.get("properties", ())}
    for name in (*names, None):
        yield [it for node in together for it in _for_member(node, name) if isinstance(it, dict)]
    longest = max((len(node.get("prefixItems", ())) for node in together), default=0)
    for place in range(longest + 1):
        yield [it for node in together for it in _for_item(node, place) if isinstance(it, dict)]


def _for_member(node: dict[str, Any], name: str | None) -> Iterator[Any]:
    if name is not None and name in node.get("properties", ()):
        yield node["properties"][name]
    elif "additionalProperties" in node:
        yield node["additionalProperties"]
    elif "unevaluatedProperties" in node:
        yield node["unevaluatedProperties"]
    yield from node.get("patternProperties", {}).values()


def _for_item(node: dict[str, Any], place: int) -> Iterator[Any]:
    before = node.get("prefixItems", ())
    if place < len(before):
        yield before[place]
    elif "items" in node:
        yield node["items"]
    elif "unevaluatedItems" in node:
        yield node["unevaluatedItems"]
    if "contains" in node:
        yield node["contains"]
