"""EventBridge calls the envelope by other names than CloudEvents: ``detail-type`` is ``type``, ``detail`` is ``data``.

Everything else has the same name or none: ``id``, ``source`` and ``time`` are attributes, and ``account``, ``region``
and ``resources`` are what a publisher calls his extension attributes. These functions rename and do nothing more,
for people who bring their patterns, transformers and events along; nothing in the languages themselves knows of them.

``detail`` with a list behind it stays: EventBridge's is always an object, and a CloudEvent may have an extension
attribute of that name.
"""

import re
from typing import Any

from webhooks.wire.patterns import InvalidPattern

__all__ = ["event_from_eventbridge", "path_from_eventbridge", "pattern_from_eventbridge"]

NAMES = {"detail-type": "type", "detail": "data"}
_FIRST_STEP = re.compile(r"(?<=^\$\.)(?:detail-type|detail)(?=$|[.\[])")


def pattern_from_eventbridge(pattern: dict[str, Any]) -> dict[str, Any]:
    """The pattern over a CloudEvent that this pattern over an EventBridge event means.

    Names inside ``$or`` at the top are names of the envelope, too. Raises InvalidPattern if a name stands there
    in both forms. Anything else that is wrong with the pattern is left for ``Pattern`` to find.
    """
    try:
        return _renamed_members(pattern)
    except RecursionError:
        raise InvalidPattern("", "nested too deeply") from None


def event_from_eventbridge(event: dict[str, Any]) -> dict[str, Any]:
    """The event under the names of CloudEvents. It lacks ``specversion``: it is for matching, not for sending."""
    return {_renamed(name): value for name, value in event.items()}


def path_from_eventbridge(path: str) -> str:
    """The input path of a transformer, e.g. ``$.detail.state`` as ``$.data.state``."""
    return _FIRST_STEP.sub(lambda step: NAMES[step[0]], path, count=1)


def _renamed_members(pattern: dict[str, Any]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in pattern.items():
        if name == "$or" and isinstance(value, list):
            value = [_renamed_members(each) if isinstance(each, dict) else each for each in value]
        new = name if name == "detail" and isinstance(value, list) else _renamed(name)
        if new in renamed:
            raise InvalidPattern(f"/{new}", "stands here under both of its names; keep one")
        renamed[new] = value
    return renamed


def _renamed(name: str) -> str:
    first, dot, rest = name.partition(".")
    return NAMES.get(first, first) + dot + rest
