"""Compile the patterns and transformers of subscriptions, and cache the compiled patterns.

A rule copied from EventBridge works as it is: its envelope names (``detail-type``, ``detail``) mean ``type`` and
``data``. It is stored and shown as written.

A compiled pattern takes a hundred times the memory of its text, and few of them are evaluated at any time. So a
``LazyPattern`` keeps the text, and an LRU cache shared by all of them keeps the compiled patterns.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from webhooks.wire.eventbridge import path_from_eventbridge, pattern_from_eventbridge
from webhooks.wire.patterns import IndexablePattern, InvalidPattern, Pattern, PatternBranch
from webhooks.wire.step_budget import StepBudget
from webhooks.wire.transform import Transformer

MAX_COMPILED = 2_048  # patterns in the cache, about 12 KB each


class LazyPattern:
    """Hold a valid pattern as text and compile it when it is evaluated. Equal texts are equal patterns."""

    __slots__ = ("text",)

    def __init__(self, written: Mapping[str, Any]) -> None:
        self.text = json.dumps(written, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyPattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def matches(self, event: dict[str, Any], budget: StepBudget | None = None) -> bool:
        """Return whether the pattern matches this event. Raises BudgetExceeded."""
        return _compile(self.text).matches(event, budget)

    @property
    def branches(self) -> Sequence[PatternBranch]:
        """Return the alternatives that satisfy the pattern."""
        return _compile(self.text).branches


def compiled(pattern: IndexablePattern) -> IndexablePattern:
    """Return the compiled form of a pattern, for an index that evaluates it for every event."""
    return _compile(pattern.text) if isinstance(pattern, LazyPattern) else pattern


def compile_pattern(written: Mapping[str, Any]) -> Pattern:
    """Compile a pattern. Raises InvalidPattern with the path in the pattern as written."""
    translated = pattern_from_eventbridge(dict(written))
    try:
        return Pattern(translated)
    except InvalidPattern:
        if translated != written:
            Pattern(dict(written))  # raises the same error with the path as written
        raise


def compile_transformer(written: Mapping[str, Any]) -> Transformer:
    """Compile a transformer. Raises InvalidTransformer with the path in the transformer as written."""
    paths = written.get("input_paths", {})
    return Transformer(
        {name: path_from_eventbridge(path) if isinstance(path, str) else path for name, path in paths.items()},
        written["template"],
    )


@lru_cache(maxsize=MAX_COMPILED)
def _compile(text: bytes) -> Pattern:
    return compile_pattern(json.loads(text))
