"""Match one event with one branch: each field must have an accepted value, all within the same list elements.

Where the event has a list, one element must satisfy everything that the pattern says below that name; nested lists
count as one list. A field that must be absent must be absent from that same element, or from every element if the
pattern says nothing else about the list.

So the result for one place of an event is NO, FOUND (an accepted value exists) or ABSENT (no value exists, and none is
required). An element with the result ABSENT does not satisfy its list.

A branch is compiled into closures, nested like its names. Each looks once at each value of the event, and none goes
deeper than the pattern. So time is linear in the event, and a deeply nested event does not exhaust the stack.

``{"a.b": 1}`` and ``{"a": {"b": 1}}`` are the same event, and so are all mixtures. If an event spells one path in
several ways, its objects are merged, and its other values count as one list.
"""

from collections.abc import Callable, Iterator
from typing import Any

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.fields import FieldMatcher

NO, FOUND, ABSENT = 0, 1, 2  # only NO is false
MISSING: Any = object()

BranchMatcher = Callable[[Any], int]
"""Returns NO, FOUND or ABSENT for the value in one place of an event, or for MISSING."""


def compile_matcher(branch: PatternBranch) -> BranchMatcher:
    """Compile a branch into a function from an event to NO, FOUND or ABSENT."""
    return _Node(branch).match


def scalars_at(value: Any, path: FieldPath) -> Iterator[Any]:
    """Yield the scalars of an event at a path: in every element of its lists, in every spelling of the path."""
    for element in _flatten([value]):
        if not isinstance(element, dict):
            if not path:
                yield element
            continue
        for length in range(1, len(path) + 1):
            name = path[0] if length == 1 else ".".join(path[:length])
            if name in element:
                yield from scalars_at(element[name], path[length:])


def _flatten(values: list[Any]) -> Iterator[Any]:
    """Yield the elements of a list and of the lists in it, at any depth."""
    unfinished = [iter(values)]
    while unfinished:
        for value in unfinished[-1]:
            if isinstance(value, list):
                unfinished.append(iter(value))
                break
            yield value
        else:
            unfinished.pop()


class _Node:
    """A name in the tree that the paths of a branch form."""

    def __init__(self, branch: PatternBranch) -> None:
        below: dict[str, PatternBranch] = {}
        for path, matcher in branch.items():
            if path:
                below.setdefault(path[0], {})[path[1:]] = matcher
        self.children = {name: _Node(inner) for name, inner in below.items()}
        self.spellings = {name: _spellings(name, inner) for name, inner in below.items()}
        self.if_missing = ABSENT if all(matcher.accepts_absent for matcher in branch.values()) else NO
        own = branch.get(())
        matchers = [_field_matcher(own)] if own else []
        if below:
            matchers.append(_object_matcher(self))
        self.match = matchers[0] if len(matchers) == 1 else _both(*matchers)


def _spellings(name: str, inner: PatternBranch) -> frozenset[str]:
    """Return the dotted names that lead from the same object to this name's children or below them."""
    return frozenset(".".join((name, *path[:length])) for path in inner for length in range(1, len(path) + 1))


def _both(one: BranchMatcher, other: BranchMatcher) -> BranchMatcher:
    """Combine the matchers of a name that is a field and also has fields below it, e.g. "a" and "a.b"."""

    def match(value: Any) -> int:
        first, second = one(value), other(value)
        return min(first, second) if first and second else NO

    return match


def _field_matcher(matcher: FieldMatcher) -> BranchMatcher:
    accepts, if_missing = matcher.predicate(), ABSENT if matcher.accepts_absent else NO

    def match(value: Any) -> int:
        if isinstance(value, str):
            return FOUND if accepts(value) else NO
        if isinstance(value, list):
            return _match_list(value, match, if_missing)
        if value is MISSING or isinstance(value, dict):
            return if_missing
        return FOUND if accepts(value) else NO

    return match


def _object_matcher(node: _Node) -> BranchMatcher:
    if_missing = node.if_missing
    steps = sorted(
        ((name, child.match, child, node.spellings[name]) for name, child in node.children.items()),
        key=lambda step: len(step[3]),  # the cheapest first
    )

    def match(value: Any) -> int:
        if not isinstance(value, dict):
            return _match_list(value, match, if_missing) if isinstance(value, list) else if_missing
        result = ABSENT
        for name, match_child, child, spellings in steps:
            if not spellings or value.keys().isdisjoint(spellings):
                child_result = match_child(value.get(name, MISSING))
            else:
                child_result = match_child(_merged(child, _spelled(value, name, spellings)))
            if not child_result:
                return NO
            if child_result == FOUND:
                result = FOUND
        return result

    return match


def _match_list(values: list[Any], match: BranchMatcher, result: int) -> int:
    """Return FOUND if one element matches; else NO if one element does not match, else ``result``."""
    for element in _flatten(values):
        element_result = match(element)
        if element_result == FOUND:
            return FOUND
        if not element_result:
            result = NO
    return result


def _spelled(value: dict[str, Any], name: str, spellings: frozenset[str]) -> list[Any]:
    """Return the values of an object under a name in every spelling; the rest of a dotted name becomes an object."""
    plain = [value[name]] if name in value else []
    return plain + [{key[len(name) + 1 :]: value[key]} for key in spellings if key in value]


def _merged(node: _Node, values: list[Any]) -> Any:
    """Merge several values of one place into one, as far as this node reads it."""
    objects = [value for value in values if isinstance(value, dict)]
    if len(objects) > 1:
        merged = {}
        for name, child in node.children.items():
            found = [each for value in objects for each in _spelled(value, name, node.spellings[name])]
            if found:
                merged[name] = _merged(child, found)
        objects = [merged]
    everything = [value for value in values if not isinstance(value, dict)] + objects
    return everything[0] if len(everything) == 1 else everything
