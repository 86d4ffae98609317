"""Match one event with one branch in the simplest way: a reference for the matcher that handles many at once."""

from typing import Any

from webhooks.wire.patterns.branches import PatternBranch, compile_branches

NO, FOUND, ABSENT = "no", "found", "absent"
MISSING: Any = object()


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """Tell whether a pattern matches, trying each branch and each entry by itself."""
    return any(branch_matches(branch, event) for branch in compile_branches(pattern))


def branch_matches(branch: PatternBranch, event: Any) -> bool:
    """Tell whether a branch matches."""
    return isinstance(event, dict) and _below(branch, without_dots(event)) != NO


def without_dots(value: Any) -> Any:
    """Return an event with every dotted name split: its objects are merged, its other values become one list."""
    if isinstance(value, list):
        return [without_dots(each) for each in value]
    return _merge([value]) if isinstance(value, dict) else value


def _merge(objects: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for each in objects:
        for key, inner in each.items():
            name, dot, rest = key.partition(".")
            found.setdefault(name, []).append({rest: inner} if dot else inner)
    merged = {}
    for name, values in found.items():
        inner = [each for each in values if isinstance(each, dict)]
        others = [without_dots(each) for each in values if not isinstance(each, dict)]
        everything = others + ([_merge(inner)] if inner else [])
        merged[name] = everything[0] if len(everything) == 1 else everything
    return merged


def _match(branch: PatternBranch, value: Any) -> str:
    """Match the value of one place with the paths below it."""
    results = []
    if () in branch:
        results.append(_in_lists(value, lambda each: _field(branch[()], each), branch[()].accepts_absent))
    if below := {path: matcher for path, matcher in branch.items() if path}:
        is_optional = all(matcher.accepts_absent for matcher in below.values())
        results.append(_in_lists(value, lambda each: _below(below, each), is_optional))
    return _all(results)


def _in_lists(value: Any, match: Any, is_optional: bool) -> str:
    if not isinstance(value, list):
        return str(match(value))
    results = [match(each) for each in _elements(value)]
    if FOUND in results:
        return FOUND
    return NO if NO in results or not is_optional else ABSENT


def _elements(values: list[Any]) -> list[Any]:
    return [inner for each in values for inner in (_elements(each) if isinstance(each, list) else [each])]


def _field(matcher: Any, value: Any) -> str:
    if value is MISSING or isinstance(value, dict):
        return ABSENT if matcher.accepts_absent else NO
    return FOUND if any(entry(value) for entry in matcher.entries) else NO


def _below(branch: PatternBranch, value: Any) -> str:
    names = dict.fromkeys(path[0] for path in branch)
    inner = value if isinstance(value, dict) else {}
    return _all(
        [
            _match({path[1:]: it for path, it in branch.items() if path[0] == name}, inner.get(name, MISSING))
            for name in names
        ]
    )


def _all(results: list[str]) -> str:
    if NO in results:
        return NO
    return FOUND if FOUND in results else ABSENT
