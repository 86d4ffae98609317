"""Compile the patterns and transformers of subscriptions, and cache the compiled patterns.

A rule copied from EventBridge works as it is: its envelope names (``detail-type``, ``detail``) mean ``type`` and
``data``. It is stored and shown as written.

A compiled pattern takes a hundred times the memory of its text, and few of them are evaluated at any time. So
``LazyPattern`` and ``LazyTransformer`` keep the text, and a cache the compiled forms. Each tenant has a share of it, so
that one with very many or very large patterns compiles its own again, and not those of others.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from webhooks.kit.caches.shared_cache import CacheShare, SharedCache
from webhooks.kit.jsonata.transformer import JsonataTransformer
from webhooks.wire.eventbridge import path_from_eventbridge, pattern_from_eventbridge, template_from_eventbridge
from webhooks.wire.patterns import (
    CompiledGroup,
    GroupCompiler,
    InvalidPattern,
    Pattern,
    PatternBranch,
    PatternGroup,
    PatternOutline,
    StepBudget,
)
from webhooks.wire.step_budget import UNLIMITED
from webhooks.wire.transform import BodyTransformer, Transformer

MAX_COMPILED_BYTES = 64 * 1024**2  # of all tenants in a process, about
MAX_TENANT_BYTES = 16 * 1024**2  # of one tenant

STEPS_PER_BYTE = 10  # of compiling a pattern or a transformer, by the length of its text
STEPS_PER_BRANCH = 200
BYTES_PER_BYTE = 40  # of a compiled form, for each byte of its text

_compiled = SharedCache[Any](MAX_COMPILED_BYTES, owner_size=MAX_TENANT_BYTES)


class LazyPattern:
    """Hold a valid pattern as text and compile it when it is needed. Equal texts are equal patterns.

    ``owner``: the tenant whose share of the cache keeps the compiled form.
    """

    __slots__ = ("_outline", "_share", "text")

    def __init__(self, written: Mapping[str, Any], owner: Hashable = None) -> None:
        self.text = json.dumps(written, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        self._share: CacheShare[Any] = _compiled.share(owner)
        self._outline: PatternOutline | None = None

    @property
    def key(self) -> bytes:
        """Return the text."""
        return self.text

    @property
    def branches(self) -> Sequence[PatternBranch]:
        """Return the alternatives of which one must match. They are compiled each time."""
        return self._compile().branches

    def outline(self, budget: StepBudget = UNLIMITED, /) -> PatternOutline:
        """Return what an index needs to know of the pattern, which is kept. Raises BudgetExceeded."""
        if self._outline is None:
            self._outline = self._compile().outline()
            budget.spend(STEPS_PER_BYTE * len(self.text) + STEPS_PER_BRANCH * self._outline.branches)
        return self._outline

    def matches(self, event: dict[str, Any], budget: StepBudget | None = None) -> bool:
        """Return whether the pattern matches this event. Raises BudgetExceeded."""
        budget = UNLIMITED if budget is None else budget
        compiled: CompiledGroup | None = self._share.get(self.text)
        if compiled is None:
            compiled = _compile(PatternGroup([self]), self._share, budget)
        return compiled.is_match(event, budget)

    def _compile(self) -> Pattern:
        return compile_pattern(json.loads(self.text))


class LazyTransformer:
    """Hold a valid transformer as text and compile it when it is needed.

    ``owner``: the tenant whose share of the cache keeps the compiled form. ``content_type``: as it was set, or None.
    """

    __slots__ = ("_owner", "_share", "content_type", "text")

    def __init__(self, written: Mapping[str, Any], owner: Hashable = None) -> None:
        self.text = json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()
        self.content_type: str | None = written.get("content_type")
        self._owner = owner
        self._share: CacheShare[Any] = _compiled.share(owner)

    def render(self, event: dict[str, Any], budget: StepBudget | None = None) -> bytes:
        """Render the body for this event, in UTF-8. Raises Unrenderable and BudgetExceeded, as its language does."""
        key = (Transformer, self.text)
        transformer: BodyTransformer | None = self._share.get(key)
        if transformer is None:
            transformer = compile_transformer(json.loads(self.text), self._owner)
            self._share.put(key, transformer, BYTES_PER_BYTE * len(self.text))
            (UNLIMITED if budget is None else budget).spend(STEPS_PER_BYTE * len(self.text))
        return transformer.render(event, budget)


def group_compiler(owner: Hashable) -> GroupCompiler:
    """Return a function that compiles groups of patterns, or takes them from a tenant's share of the cache.

    What was compiled is kept even if it exceeds the budget, so that the next call continues from there.
    """
    share = _compiled.share(owner)

    def compiled(group: PatternGroup, budget: StepBudget) -> CompiledGroup:
        known: CompiledGroup | None = share.get(group.key)
        return _compile(group, share, budget) if known is None else known

    return compiled


def _compile(group: PatternGroup, share: CacheShare[Any], budget: StepBudget) -> CompiledGroup:
    compiled = group.compile()
    share.put(group.key, compiled, compiled.size)
    budget.spend(compiled.steps)
    return compiled


def compile_pattern(written: Mapping[str, Any]) -> Pattern:
    """Compile a pattern. Raises InvalidPattern with the path in the pattern as written."""
    translated = pattern_from_eventbridge(dict(written))
    try:
        return Pattern(translated)
    except InvalidPattern:
        if translated != written:
            Pattern(dict(written))  # raises the same error with the path as written
        raise


def compile_transformer(written: Mapping[str, Any], owner: Hashable = None) -> BodyTransformer:
    """Compile a transformer. Raises InvalidTransformer with the path in the transformer as written.

    A JSONata expression is not parsed here, but where it is evaluated (``check_expression``).
    """
    if "jsonata" in written:
        return JsonataTransformer(written["jsonata"], written.get("content_type"), owner)
    paths = written.get("input_paths", {})
    return Transformer(
        {name: path_from_eventbridge(path) if isinstance(path, str) else path for name, path in paths.items()},
        template_from_eventbridge(written["template"]) if isinstance(written["template"], str) else written["template"],
        content_type=written.get("content_type"),
        texts=_texts_from_eventbridge(written.get("texts")),
    )


def _texts_from_eventbridge(texts: Any) -> Any:
    """Return the named texts of a transformer with the names of CloudEvents; wrong ones as they are."""
    if not isinstance(texts, Mapping):
        return texts
    return {name: _text_from_eventbridge(text) for name, text in texts.items()}


def _text_from_eventbridge(text: Any) -> Any:
    if isinstance(text, Mapping) and isinstance(text.get("template"), str):
        return {**text, "template": template_from_eventbridge(text["template"])}
    return text
