"""What narrows and rewrites events for a subscription, compiled from what its owner wrote.

A rule copied from EventBridge works as it is: its names for the envelope (``detail-type``, ``detail``) mean ``type``
and ``data``. It is kept, and shown, as it was written.

A compiled pattern takes a hundred times the memory of its text, and of a hundred thousand few are asked at any
time. So a ``Narrowing`` holds the text, and the compiled patterns that were asked last are kept for all of them.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from webhooks.wire.eventbridge import path_from_eventbridge, pattern_from_eventbridge
from webhooks.wire.patterns import IndexablePattern, InvalidPattern, Pattern, PatternBranch
from webhooks.wire.transform import Transformer

__all__ = ["Narrowing", "held", "pattern_of", "transformer_of"]

KEPT_COMPILED = 2_048  # patterns; about 12 KB each


class Narrowing:
    """A valid pattern as text: it matches as the pattern does, and two with the same text are equal."""

    __slots__ = ("written",)

    def __init__(self, written: Mapping[str, Any]) -> None:
        self.written = _text(written)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Narrowing) and self.written == other.written

    def __hash__(self) -> int:
        return hash(self.written)

    def matches(self, event: dict[str, Any]) -> bool:
        """Does the pattern match this event?"""
        return _compiled(self.written).matches(event)

    @property
    def branches(self) -> Sequence[PatternBranch]:
        """The ways to satisfy the pattern."""
        return _compiled(self.written).branches


def held(pattern: IndexablePattern) -> IndexablePattern:
    """What to hold of a pattern that every event is put to: itself, compiled."""
    return _compiled(pattern.written) if isinstance(pattern, Narrowing) else pattern


def pattern_of(written: Mapping[str, Any]) -> Pattern:
    """The pattern that is meant. Raises InvalidPattern with the place in what was written."""
    meant = pattern_from_eventbridge(dict(written))
    try:
        return Pattern(meant)
    except InvalidPattern:
        if meant != written:
            Pattern(dict(written))  # says the same with the place as it was written
        raise


def transformer_of(written: Mapping[str, Any]) -> Transformer:
    """The transformer that is meant. Raises InvalidTransformer with the place in what was written."""
    paths = written.get("input_paths", {})
    return Transformer(
        {name: path_from_eventbridge(path) if isinstance(path, str) else path for name, path in paths.items()},
        written["template"],
    )


@lru_cache(maxsize=KEPT_COMPILED)
def _compiled(text: bytes) -> Pattern:
    return pattern_of(json.loads(text))


def _text(written: Mapping[str, Any]) -> bytes:
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
