"""Register handlers, and find those that match a receipt.

A handler is a function of one receipt. It runs in the transaction that marks the receipt as processed: its database
writes and that mark commit together or not at all, so they happen once. What it writes to another database alias is
outside of that transaction. That, and other effects (a call, a mail), may happen again after a failure. An exception
means: retry by the plan. ``RetryLater`` retries at a time of its own without using an attempt; ``GiveUp`` ends the
attempts, and so does UnreadableBody (``receipt.json()``, ``receipt.form()``).

Handlers are named in two ways, which may be combined:

    in code     a module ``webhook_handlers`` in any installed app:

                    @handles("billing", {"type": ["invoice.paid"]})
                    def book(receipt): ...

    in a row    ``Source.handlers``, which names functions of the setting WAYPOST_HANDLERS (``handler_registry``).
                Only listed names can be chosen, so editing a source cannot run other code.

In code a source is named by its id. A uid names a source of the installation itself, which no tenant owns: a tenant
chooses the uids of its own sources, and must not reach a handler of the installation by choosing the same one.

Every matching handler runs, those of the row first, in their order. A receipt that matches none is processed with no
handler (``Receipt.is_unhandled``), and can be replayed once there is one. Where neither code nor row names a handler
for the source, the receipt is settled when it is inserted, and no worker claims it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils.module_loading import import_string

from webhooks import telemetry
from webhooks.kit.bodies.message_body import is_plain
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable
from webhooks.models import Receipt, Source
from webhooks.processing.handler_patterns import ReceiptPatterns, compile_pattern
from webhooks.processing.handler_registry import TOGETHER, handler_paths
from webhooks.processing.steps.run import BreakerOpen, StepFailed, prepared_of, run_steps
from webhooks.processing.steps.settings import Steps, has_steps, steps_of
from webhooks.sources.message_events import EventDocument, parse_events, select_events
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import public
from webhooks.wire.patterns import CompiledGroup

Function = Callable[[Receipt], object]
F = TypeVar("F", bound=Function)

ANY = "*"
NO_EVALUATOR_SECONDS = 2.0  # until a receipt is due again whose expression no process could evaluate


class RetryLater(Exception):
    """Raised by a handler to run again after ``seconds`` without using an attempt.

    A value that is not a number raises ValueError or TypeError, which counts as a failure of the handler.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        if math.isnan(seconds):
            raise ValueError("RetryLater: seconds must be a number.")
        self.seconds = seconds


class GiveUp(Exception):
    """Raised by a handler to end the attempts: the receipt is dead at once."""


class UnknownHandler(LookupError):
    """A source names a handler that WAYPOST_HANDLERS does not list."""


@dataclass(frozen=True, slots=True)
class HandlerRule:
    """A function for the receipts of a source (see ``name_in_code``; *: all) that match a pattern (None: all)."""

    name: str
    function: Function
    source: str = ANY
    pattern: CompiledGroup | None = None
    steps: Steps | None = None
    index: int = 0
    """Its place among the handlers of the source; only of one with ``steps``."""
    choice: Mapping[str, Any] | None = None
    """The handler as the source names it; None if code registers it."""

    def is_for(self, source: Source | SourceSnapshot) -> bool:
        """Return whether the rule is for this source."""
        return self.source in (ANY, name_in_code(source)) or self.source == public(Source.prefix, source.id)

    def run(self, receipt: Receipt) -> None:
        """Run the handler, with its steps if it has any. Raises what it raises."""
        if self.steps is None:
            self.function(receipt)
            return
        try:
            run_steps(self.function, self.index, self.steps, receipt)
        except BreakerOpen as error:
            raise RetryLater(error.seconds) from error
        except EvaluatorUnavailable as error:
            raise RetryLater(NO_EVALUATOR_SECONDS) from error
        except StepFailed as error:
            raise GiveUp(str(error)) from error

    def matches(self, receipt: Receipt, found: list[EventDocument], patterns: ReceiptPatterns) -> bool:
        """Return whether the rule is for this receipt, whose events these are. Raises PatternsTooExpensive."""
        if not self.is_for(receipt.source):
            return False
        is_match = self.pattern is None or patterns.is_match(self.pattern, found)
        if self.steps is not None:
            prepared_of(receipt).note("filter", "matched" if is_match else "not_matched", f"handler {self.index + 1}")
        return is_match


@dataclass(frozen=True, slots=True)
class TogetherRule:
    """The only handler of a source, in its form for many receipts at once (``handler_registry.TOGETHER``)."""

    name: str
    function: Callable[[Sequence[Receipt]], Sequence[Exception | None]]
    choice: Mapping[str, Any]

    def matches(self, receipt: Receipt) -> bool:
        """Return whether the pattern of the handler matches the receipt. Raises what ``matching_rules`` raises."""
        return self.choice.get("pattern") is None or bool(matching_rules(receipt))


_rules: list[HandlerRule] = []


def handles(source: str = ANY, pattern: Mapping[str, Any] | None = None) -> Callable[[F], F]:
    """Register the decorated function for a source and an event pattern (None: all).

    ``source`` is an id, the uid of a source that no tenant owns, or * for all. Raises InvalidPattern.
    """

    def register(function: F) -> F:
        name = f"{function.__module__}.{function.__qualname__}"
        _rules.append(HandlerRule(name, function, source, None if pattern is None else compile_pattern(pattern)))
        return function

    return register


def has_handlers(source: Source | SourceSnapshot) -> bool:
    """Return whether code registers a handler for this source; its row may name more."""
    return any(rule.is_for(source) for rule in _rules)


def name_in_code(source: Source | SourceSnapshot) -> str:
    """Return the name of a source in code and in patterns: the uid if no tenant owns the source, else the id."""
    own_uid = source.uid if source.tenant_id is None else None
    return own_uid or public(Source.prefix, source.id)


def matching_rules(receipt: Receipt) -> list[HandlerRule]:
    """Return the rules that match this receipt, each function once: the first rule that matches has it.

    Raises UnknownHandler, PatternsTooExpensive.
    """
    if receipt.prepared is not None:
        receipt.prepared.log = [it for it in receipt.prepared.log if it["step"] == "enrich"]  # of an earlier run
    patterns = ReceiptPatterns(receipt.source.tenant_id or receipt.source_id)
    rules = [*_rules_of(receipt.source, patterns), *_rules]
    compiled = [rule.pattern for rule in rules if rule.pattern is not None and rule.is_for(receipt.source)]
    found = _events_in(receipt, compiled) if compiled else []
    matching = {rule.function: rule for rule in reversed(rules) if rule.matches(receipt, found, patterns)}
    return list(reversed(matching.values()))


def rule_together(source: Source) -> TogetherRule | None:
    """Return the handler of a source in its form for many receipts; None if it has others, or no such form."""
    if len(source.handlers) != 1 or has_handlers(source):
        return None
    (choice,) = source.handlers
    if has_steps(choice):
        return None
    together = TOGETHER.get(handler_paths().get(choice["handler"], ""))
    return None if together is None else TogetherRule(choice["handler"], import_string(together), choice)


def log_receipt(receipt: Receipt) -> None:
    """Log the receipt without its content: the built-in handler ``log``."""
    telemetry.log_received(receipt.public_id, str(receipt.source), receipt.event_type, receipt.size)


def _rules_of(source: Source, patterns: ReceiptPatterns) -> Iterator[HandlerRule]:
    owner = source.tenant_id or source.pk
    for index, choice in enumerate(source.handlers):
        name = choice["handler"]
        try:
            function = import_string(handler_paths()[name])
        except (KeyError, ImportError) as error:
            raise UnknownHandler(name) from error
        steps = steps_of(choice, owner) if has_steps(choice) else None
        pattern = None if choice.get("pattern") is None else patterns.compile(choice["pattern"])
        yield HandlerRule(name, function, ANY, pattern, steps, index, choice)


def _events_in(receipt: Receipt, patterns: Sequence[CompiledGroup]) -> list[EventDocument]:
    """Return the events of a receipt; of a large or compressed body only what the patterns look at.

    Raises SelectionTooLarge, UnopenedEnvelope.
    """
    headers = receipt.body_headers()
    unopened = {"id": receipt.message_id, "source": name_in_code(receipt.source), "type": receipt.event_type}
    if not receipt.body_key and is_plain(headers):
        return parse_events(unopened, headers, bytes(receipt.body or b""), receipt.source.envelope)
    with receipt.open() as file:
        names = [pattern.names for pattern in patterns]
        return select_events(unopened, headers, file, names, receipt.source.envelope)
