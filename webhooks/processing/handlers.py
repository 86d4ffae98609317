"""Which function works on which source and pattern.

A handler is a function of one receipt. It runs inside the transaction that marks the receipt as processed: what it
writes to the database and that mark commit together or not at all, so its database effect happens once. What it
does elsewhere (a call, a mail) may happen again after a failure. Anything it raises means: again later, by the
plan in ``process``; ``RetryLater`` means again at a time of its own, and costs no attempt; ``GiveUp`` means never.

Two ways to say what works on what, and both may be used:

    in code     a module ``webhook_handlers`` in any installed app:

                    @handles("billing", {"type": ["invoice.paid"]})
                    def book(receipt): ...

    in a row    ``Source.handlers``, which names functions of the setting WAYPOST_HANDLERS (see ``choices``).
                Only names on that list can be chosen: whoever may edit a source may not run code of their own.

Every handler that matches runs, those of the row first, in the order in which they are given. A receipt that none
matches is processed, by nobody, and can be replayed when there is one. Where neither code nor row names a handler for
the source, a receipt is so from the start: nobody claims it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.utils.module_loading import import_string

from webhooks import telemetry
from webhooks.models import Receipt, Source
from webhooks.processing.handler_registry import handler_paths
from webhooks.sources.message_labels import EventDocument, parse_events
from webhooks.wire.ids import public
from webhooks.wire.patterns import Pattern

Function = Callable[[Receipt], object]
F = TypeVar("F", bound=Function)

ANY = "*"


class RetryLater(Exception):
    """Not now: run again after ``seconds``. Costs no attempt. Raises ValueError, TypeError if that is no number, which
    is a failure of the handler like any other."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        if math.isnan(seconds):
            raise ValueError("RetryLater: not a number of seconds")
        self.seconds = seconds


class GiveUp(Exception):
    """Running again would not help: the receipt is dead at once."""


class UnknownHandler(LookupError):
    """A source names a handler that WAYPOST_HANDLERS does not have."""


@dataclass(frozen=True, slots=True)
class HandlerRule:
    """This function works on receipts of this source (id, uid or *) that match this pattern (None: all)."""

    name: str
    function: Function
    source: str = ANY
    pattern: str | None = None

    def is_for(self, source_id: UUID, uid: str | None) -> bool:
        return self.source in (ANY, uid) or self.source == public(Source.prefix, source_id)

    def wants(self, receipt: Receipt, found: list[EventDocument]) -> bool:
        if not self.is_for(receipt.source_id, receipt.source.uid):
            return False
        return self.pattern is None or any(_compiled(self.pattern).matches(event) for event in found)


_rules: list[HandlerRule] = []


def handles(source: str = ANY, pattern: Mapping[str, Any] | None = None) -> Callable[[F], F]:
    """Register the decorated function for a source (its id, its uid, or * for every source) and an event pattern.
    Raises InvalidPattern."""

    def register(function: F) -> F:
        name = f"{function.__module__}.{function.__qualname__}"
        _rules.append(HandlerRule(name, function, source, _text(pattern)))
        return function

    return register


def has_handlers(source_id: UUID, uid: str | None) -> bool:
    """Is a function of code registered for this source? Its row may name more."""
    return any(rule.is_for(source_id, uid) for rule in _rules)


def matching_rules(receipt: Receipt) -> list[HandlerRule]:
    """The rules that want this receipt, each function once. Raises UnknownHandler."""
    rules = [*_rules_of(receipt.source), *_rules]
    found = _events_in(receipt) if any(rule.pattern for rule in rules) else []
    wanted = {rule.function: rule for rule in reversed(rules) if rule.wants(receipt, found)}
    return list(reversed(wanted.values()))


def log_receipt(receipt: Receipt) -> None:
    """The handler ``log``: say that it came, and nothing of what is in it."""
    telemetry.log_received(receipt.public_id, str(receipt.source), receipt.event_type, receipt.size)


def _rules_of(source: Source) -> Iterator[HandlerRule]:
    for choice in source.handlers:
        name = choice["handler"]
        try:
            function = import_string(handler_paths()[name])
        except (KeyError, ImportError) as error:
            raise UnknownHandler(name) from error
        yield HandlerRule(name, function, ANY, _text(choice.get("pattern")))


def _events_in(receipt: Receipt) -> list[EventDocument]:
    """The events of a receipt; of a large body, what its headers say."""
    name = receipt.source.uid or receipt.source.public_id
    headers = {key.lower(): value for key, value in receipt.headers.items()}
    return parse_events(name, receipt.event_type, receipt.message_id, headers, bytes(receipt.body or b""))


def _text(pattern: Mapping[str, Any] | None) -> str | None:
    if pattern is None:
        return None
    text = orjson.dumps(pattern).decode()
    _compiled(text)
    return text


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Pattern:
    return Pattern(pattern)
