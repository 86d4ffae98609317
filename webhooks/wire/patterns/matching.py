"""A branch matches an event if each of its fields finds a wanted value there, all within the same elements.

Where the event has a list, one element must satisfy everything the pattern says below that name; lists in
lists count as one list. A field that must be absent must be absent from that same element, or from every
element if nothing else is asked of it.

So there are three verdicts on a place in an event: NO, FOUND (a wanted value is there) and ABSENT (no value is
there, and none was wanted). An element where all is merely absent does not speak for its list.

A branch becomes closures, nested like its names. Each looks at each value of the event once and none goes
deeper than the pattern does, so time is linear in the event and a hostile one exhausts no stack.

Names with dots need care: ``{"a.b": 1}`` and ``{"a": {"b": 1}}`` are the same event, and so are all mixtures.
An event that spells one path in several ways has its objects merged; everything else found there counts as one
list.
"""

from collections.abc import Callable, Iterator
from typing import Any

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.fields import FieldMatcher

__all__ = ["BranchMatcher", "compile_matcher", "flatten", "scalars_at"]

NO, FOUND, ABSENT = 0, 1, 2  # only NO is false
MISSING: Any = object()

BranchMatcher = Callable[[Any], int]
"""The verdict on the value in one place of an event, or on MISSING."""


def compile_matcher(branch: PatternBranch) -> BranchMatcher:
    """Compile a branch into one function from an event to its verdict."""
    return _Node(branch).judge


def flatten(values: list[Any]) -> Iterator[Any]:
    """What a list holds, and the lists in it, at any depth."""
    unfinished = [iter(values)]
    while unfinished:
        for value in unfinished[-1]:
            if isinstance(value, list):
                unfinished.append(iter(value))
                break
            yield value
        else:
            unfinished.pop()


def scalars_at(value: Any, path: FieldPath) -> Iterator[Any]:
    """The scalars an event has at a path: in every element of its lists, in every spelling of the path."""
    for element in flatten([value]):
        if not isinstance(element, dict):
            if not path:
                yield element
            continue
        for length in range(1, len(path) + 1):
            name = path[0] if length == 1 else ".".join(path[:length])
            if name in element:
                yield from scalars_at(element[name], path[length:])


class _Node:
    """A name in the tree that the paths of a branch make."""

    def __init__(self, branch: PatternBranch) -> None:
        below: dict[str, PatternBranch] = {}
        for path, wanted in branch.items():
            if path:
                below.setdefault(path[0], {})[path[1:]] = wanted
        self.children = {name: _Node(inner) for name, inner in below.items()}
        self.spellings = {name: _spellings(name, inner) for name, inner in below.items()}
        self.unless_there = ABSENT if all(wanted.absent for wanted in branch.values()) else NO
        own = branch.get(())
        judges = [_field_judge(own)] if own else []
        if below:
            judges.append(_object_judge(self))
        self.judge = judges[0] if len(judges) == 1 else _both(*judges)


def _spellings(name: str, inner: PatternBranch) -> frozenset[str]:
    """The names with dots that lead from the same object to, or past, this name's children."""
    return frozenset(".".join((name, *path[:length])) for path in inner for length in range(1, len(path) + 1))


def _both(one: BranchMatcher, other: BranchMatcher) -> BranchMatcher:
    """For a name that is a field and has fields below it, which only dots can say."""

    def judge(value: Any) -> int:
        verdict, second = one(value), other(value)
        return min(verdict, second) if verdict and second else NO

    return judge


def _field_judge(wanted: FieldMatcher) -> BranchMatcher:
    accepts, unless_there = wanted.question(), ABSENT if wanted.absent else NO

    def judge(value: Any) -> int:
        if isinstance(value, str):
            return FOUND if accepts(value) else NO
        if isinstance(value, list):
            return _judge_list(value, judge, unless_there)
        if value is MISSING or isinstance(value, dict):
            return unless_there
        return FOUND if accepts(value) else NO

    return judge


def _object_judge(node: _Node) -> BranchMatcher:
    unless_there = node.unless_there
    steps = sorted(
        ((name, child.judge, child, node.spellings[name]) for name, child in node.children.items()),
        key=lambda step: len(step[3]),  # the cheapest questions first
    )

    def judge(value: Any) -> int:
        if not isinstance(value, dict):
            return _judge_list(value, judge, unless_there) if isinstance(value, list) else unless_there
        verdict = ABSENT
        for name, judge_child, child, spellings in steps:
            if not spellings or value.keys().isdisjoint(spellings):
                found = judge_child(value.get(name, MISSING))
            else:
                found = judge_child(_merged(child, _spelled(value, name, spellings)))
            if not found:
                return NO
            if found == FOUND:
                verdict = FOUND
        return verdict

    return judge


def _judge_list(values: list[Any], judge: BranchMatcher, verdict: int) -> int:
    """One element that satisfies is enough; otherwise none may hold what is unwanted."""
    for element in flatten(values):
        found = judge(element)
        if found == FOUND:
            return FOUND
        if not found:
            verdict = NO
    return verdict


def _spelled(value: dict[str, Any], name: str, spellings: frozenset[str]) -> list[Any]:
    """What an object has under a name, in every spelling; the rest of a dotted name becomes an object."""
    plain = [value[name]] if name in value else []
    return plain + [{key[len(name) + 1 :]: value[key]} for key in spellings if key in value]


def _merged(node: _Node, values: list[Any]) -> Any:
    """One value in the place of several, as far as this node will look at it."""
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
