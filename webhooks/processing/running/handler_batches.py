"""Run a handler that takes many receipts at once, for the sources that name no other: one savepoint, one call.

``publish`` is such a handler (``handler_registry.TOGETHER``): publishing 32 events by one statement costs a tenth of
publishing each by its own. If the call itself raises, nothing has happened, and each receipt runs by itself; an error
that it returns is of that receipt only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webhooks.models import Receipt, Source
from webhooks.processing.handlers import TogetherRule, rule_together
from webhooks.processing.running.handler_timeout import HandlerTimeout, alarm
from webhooks.processing.running.savepoints import Savepoints, check_transaction

MIN_RECEIPTS = 2


class _OrderBroken(Exception):
    """A receipt has failed, and one behind it in its order key has run: undo both."""


@dataclass(slots=True)
class BatchEnd:
    """The end of a receipt in a batch: whether the handler ran (its pattern matched), and its error."""

    has_run: bool
    error: Exception | None
    seconds: float


Member = tuple[TogetherRule, Receipt]
"""A receipt, and the handler of its source: within a batch the handler is the same, and the patterns may differ."""


def batches(receipts: Sequence[Receipt]) -> list[list[Member]]:
    """Return the receipts that may run together, by handler; those that may not are left out."""
    found: dict[str, list[Member]] = {}
    for receipt, rule in zip(receipts, _rules(receipts), strict=True):
        if rule is not None:
            found.setdefault(rule.name, []).append((rule, receipt))
    return [batch for batch in found.values() if len(batch) >= MIN_RECEIPTS]


def may_run_together(receipts: Sequence[Receipt]) -> bool:
    """Return whether all of these receipts may run together with others."""
    return None not in _rules(receipts)


def _rules(receipts: Sequence[Receipt]) -> list[TogetherRule | None]:
    """Return the handler of each receipt in its form for many; None if it has none."""
    rules: dict[object, TogetherRule | None] = {}
    for receipt in receipts:
        source: Source = receipt.source
        if source.pk not in rules:
            is_alone = bool(source.sequence_path or source.tenant_deleted_at)
            rules[source.pk] = None if is_alone else rule_together(source)
    return [rules[receipt.source.pk] for receipt in receipts]


def run_batch(
    batch: Sequence[Member], limit: float, savepoints: Savepoints, on_end: Callable[[], None]
) -> list[BatchEnd] | None:
    """Run a batch in a savepoint; return how each receipt ended, or None if nothing has happened: run each by itself.

    ``limit``: seconds for all of them. ``on_end``: is called inside the savepoint's transaction after it was released.
    """
    begin = time.monotonic()
    try:
        with savepoints.savepoint(), alarm(limit):
            matching = [rule.matches(receipt) for rule, receipt in batch]
            function = batch[0][0].function
            errors = iter(function([it for (_, it), matches in zip(batch, matching, strict=True) if matches]))
            ends = [BatchEnd(matches, next(errors) if matches else None, 0.0) for matches in matching]
            _check_order(batch, ends)
            check_transaction()
    except (Exception, HandlerTimeout):
        return None
    on_end()
    share = (time.monotonic() - begin) / len(batch)
    for end in ends:
        end.seconds = share
    return ends


def _check_order(batch: Sequence[Member], ends: Sequence[BatchEnd]) -> None:
    """Raise _OrderBroken if a receipt has run although one before it in its order key has failed."""
    failed: set[tuple[object, str]] = set()
    for (_, receipt), end in zip(batch, ends, strict=True):
        key = (receipt.source_id, receipt.order_key)
        if receipt.order_key and key in failed:
            raise _OrderBroken
        if end.error is not None:
            failed.add(key)
