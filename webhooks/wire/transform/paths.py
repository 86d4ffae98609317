"""Find values by input paths, which lead from the root of an event: ``$.data.lines[0].sku``.

The grammar is what EventBridge documents (user guide, "Input transformation"): after a dot a name of letters, digits,
``-``, ``_`` and ``/``; indices; and ``*``. A library for JSONPath (RFC 9535) does not fit: it accepts filters, slices,
recursive descent and functions, and rejects names that begin with a digit or contain a slash.
"""

import re
from typing import Any

from webhooks.wire.transform.errors import InvalidTransformer

MAX_LENGTH = 256  # characters
MISSING: Any = object()

_STEP = re.compile(r"\.(?P<name>[\w/-]+)|\[(?P<index>[0-9]+)\]|\.\*|\[\*\]")
_EVERY = object()  # the step *


class InputPath:
    """A compiled path. ``at`` is the JSON pointer for InvalidTransformer."""

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
            self._steps.append(name if name else int(index) if index else _EVERY)
            position = step.end()

    def find(self, event: Any) -> Any:
        """Return the value at this path, or MISSING.

        A path with ``*`` returns the list of all values it leads to, or MISSING if there is no object or list at the
        first ``*``.
        """
        found = [event]
        every = False
        for step in self._steps:
            if step is _EVERY:
                containers = [value for value in found if isinstance(value, (dict, list))]
                if not containers and not every:
                    return MISSING
                every = True
                found = [item for value in containers for item in _items(value)]
            else:
                found = [inner for value in found if (inner := _inner(value, step)) is not MISSING]
        if every:
            return found
        return found[0] if found else MISSING


def _inner(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, dict) else MISSING
    return value[step] if isinstance(value, list) and step < len(value) else MISSING


def _items(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
