"""Match the events of a receipt with the patterns of its handlers: compiled in a cache with shares, within a budget.

A compiled pattern takes a hundred times the memory of its text, and each source may have 20 of them. Each tenant has a
share of the cache, so that one with many patterns compiles its own again, and not those of others.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import orjson

from webhooks.kit.caches.shared_cache import SharedCache
from webhooks.wire.eventbridge import pattern_from_eventbridge
from webhooks.wire.patterns import BudgetExceeded, CompiledGroup, Pattern, PatternGroup, StepBudget

MAX_MATCHING_STEPS = 2_000_000  # of compiling and matching the patterns of one receipt: about 0.2 s of CPU time
MAX_PATTERNS_BYTES = 64 * 1024**2  # of all patterns in a process, about
MAX_OWNER_BYTES = 16 * 1024**2  # of those of one tenant, or of one source that no tenant owns

_compiled = SharedCache[CompiledGroup](MAX_PATTERNS_BYTES, owner_size=MAX_OWNER_BYTES)


class PatternsTooExpensive(Exception):
    """The patterns of the handlers of one receipt cost more steps than they may."""

    def __init__(self) -> None:
        super().__init__(f"The patterns cost more than MAX_MATCHING_STEPS ({MAX_MATCHING_STEPS}); simplify them.")


class ReceiptPatterns:
    """Compile and match patterns for one receipt, within ``MAX_MATCHING_STEPS``.

    Its methods raise PatternsTooExpensive. ``owner``: the tenant, or the source that no tenant owns, whose share of the
    cache keeps the compiled patterns.
    """

    def __init__(self, owner: Hashable) -> None:
        self._share = _compiled.share(owner)
        self._budget = StepBudget(MAX_MATCHING_STEPS)

    def compile(self, written: Mapping[str, Any]) -> CompiledGroup:
        """Return the compiled form of a valid pattern. It is kept even if it exceeds the budget."""
        text = _in_cloudevents_names(written)
        known = self._share.get(text)
        if known is not None:
            return known
        compiled = _compile(text)
        self._share.put(text, compiled, compiled.size)
        try:
            self._budget.spend(compiled.steps)
        except BudgetExceeded:
            raise PatternsTooExpensive from None
        return compiled

    def is_match(self, pattern: CompiledGroup, events: list[dict[str, Any]]) -> bool:
        """Return whether the pattern matches one of these events."""
        try:
            return any(pattern.is_match(event, self._budget) for event in events)
        except BudgetExceeded:
            raise PatternsTooExpensive from None


def compile_pattern(written: Mapping[str, Any]) -> CompiledGroup:
    """Compile a pattern; one that is written for EventBridge has its names. Raises InvalidPattern."""
    return _compile(_in_cloudevents_names(written))


def _in_cloudevents_names(written: Mapping[str, Any]) -> bytes:
    return orjson.dumps(pattern_from_eventbridge(dict(written)))


def _compile(text: bytes) -> CompiledGroup:
    return PatternGroup([Pattern(text.decode())]).compile()
