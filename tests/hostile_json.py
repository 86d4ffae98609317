"""Put hostile values at every place inside a JSON value."""

from collections.abc import Iterator, Sequence
from typing import Any

LONG_TEXT = 70_000  # characters
Path = tuple[str | int, ...]


def nested(levels: int) -> Any:
    """Return an array in an array, so many levels deep."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 10**30, "", "x" * LONG_TEXT, "a\0b"),
    *([], [None], {"__proto__": {"a": 1}}, {"": [[{}]]}, nested(100)),
)
NAMES = ("__proto__", "\0", "x" * 2_000)
"""Names of members that are added to each object."""


def hostile_values(value: Any, *more: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the value with a hostile value at each place inside it, or a member more, with the place.

    Neighbours get one half of the hostile values each. ``more``: further ones, for all places.
    """
    for number, path in enumerate(_places(value)):
        yield from ((path, _replaced(value, path, hostile)) for hostile in (*HOSTILE[number % 2 :: 2], *more))
    for path in ((), *_places(value)):
        if isinstance(_at(value, path), dict):
            yield from (((*path, name), _replaced(value, (*path, name), 1)) for name in NAMES)


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each member and each element, those inside others after these."""
    children: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, child in children:
        yield (*path, key)
        yield from _places(child, (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, key: _replaced(value.get(key), rest, new)}
    return [_replaced(child, rest, new) if index == key else child for index, child in enumerate(value)]
