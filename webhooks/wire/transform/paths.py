"""Find values in an event by input paths, such as ``$.data.lines[0].sku``.

The grammar is that of EventBridge (user guide, "Input transformation"). After the root ``$`` come steps:

    .name        a member of an object; the name consists of letters, digits, ``-``, ``_`` and ``/``
    [0]          an item of a list
    .* or [*]    all members or items

A JSONPath library (RFC 9535) does not fit: it accepts filters, slices, recursive descent and functions, and rejects
names that begin with a digit or contain a slash.
"""

import re
from typing import Any

from webhooks.wire.transform.errors import InvalidTransformer

MAX_LENGTH = 256  # characters
MISSING: Any = object()  # the result of a path that leads to no value

_STEP = re.compile(r"\.(?P<name>[\w/-]+)|\[(?P<index>[0-9]+)\]|\.\*|\[\*\]")
_ALL_MEMBERS = object()  # the step .* or [*]


class InputPath:
    """Compile an input path once, to find its value in many events.

    ``at`` is the JSON pointer of the path in the transformer, for the error. Raises InvalidTransformer.
    """

    __slots__ = ("_steps",)

    def __init__(self, text: str, at: str) -> None:
        if not isinstance(text, str) or not text.startswith("$"):
            raise InvalidTransformer(at, "a path is a string that begins with $, like $.data.id")
        if len(text) > MAX_LENGTH:
            raise InvalidTransformer(at, f"a path has at most {MAX_LENGTH} characters")
        self._steps: list[Any] = []
        position = 1
        while position < len(text):
            step = _STEP.match(text, position)
            if step is None:
                raise InvalidTransformer(
                    at, f"cannot parse {text[position:]!r}; after the $ a path has only .name, [0], .* and [*]"
                )
            name, index = step["name"], step["index"]
            self._steps.append(name if name else int(index) if index else _ALL_MEMBERS)
            position = step.end()

    def find(self, event: Any) -> Any:
        """Return the value at this path, or MISSING if there is none.

        A path with ``*`` returns the list of all values that it matches. The list may be empty, but if the value before
        the first ``*`` is missing, or neither an object nor a list, the result is MISSING.
        """
        found = [event]
        has_wildcard = False
        for step in self._steps:
            if step is _ALL_MEMBERS:
                containers = [value for value in found if isinstance(value, (dict, list))]
                if not containers and not has_wildcard:
                    return MISSING
                has_wildcard = True
                found = [item for value in containers for item in _members(value)]
            else:
                found = [member for value in found if (member := _member(value, step)) is not MISSING]
        if has_wildcard:
            return found
        return found[0] if found else MISSING


def _member(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, dict) else MISSING
    return value[step] if isinstance(value, list) and step < len(value) else MISSING


def _members(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
