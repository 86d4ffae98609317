"""Run the handlers of several receipts in one transaction, each receipt in a savepoint.

A handler that fails undoes its own receipt only. The rows are locked meanwhile, and the handlers' writes commit
together with the results: so a receipt is never handled twice at once, even if a handler outlasts its claim, and its
database effects happen once. A crash undoes the whole group.

So that locks are not held long, a group starts no further receipt after ``GROUP_SECONDS``, and a receipt in it has
``GROUP_LIMIT`` seconds: one that takes longer is undone, uses no attempt, and runs again alone with the time limit of
its source. A receipt also runs again alone if its failure may be due to the others (deadlock, serialization failure).

The after-commit hooks (``transaction.on_commit``) of a receipt run after the shared commit, each with a time limit; an
exception in one stops no other. They are part of no result.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from webhooks import telemetry
from webhooks.models import Receipt, Source
from webhooks.processing import sequence
from webhooks.processing.handlers import matching_rules
from webhooks.processing.notify import notify_waiters
from webhooks.processing.receipts import lock, settle
from webhooks.processing.running.handler_batches import batches, run_batch
from webhooks.processing.running.handler_run import HandlerRun, RunOutcome, order_key_of
from webhooks.processing.running.handler_spans import handling, record_handled
from webhooks.processing.running.handler_timeout import HandlerTimeout, alarm, time_limit, watchdog
from webhooks.processing.running.results import report_ended
from webhooks.processing.running.savepoints import Savepoints, check_transaction

GROUP_SECONDS = 0.1  # after which a group starts no further receipt
GROUP_LIMIT = 1.0  # seconds of one receipt in a group; longer ones run alone


class TransactionLost(Exception):
    """The transaction cannot be committed: the handler of ``run`` ended it or closed the connection."""

    def __init__(self, run: HandlerRun) -> None:
        super().__init__(f"{run.current} ended the transaction")
        self.run = run


class _OutOfOrder(Exception):
    """A later receipt of the order key was handled first, and the source skips receipts out of order."""


def run_together(claimed: Sequence[Receipt], *, has_whole_limit: bool = False) -> list[HandlerRun]:
    """Run receipts of one claim in one transaction, and return the runs of those that were started.

    Receipts of one order key run in order; those behind one that was not finished are not started.

    Each receipt has ``GROUP_LIMIT`` seconds at most, or the whole time limit of its source. Raises TransactionLost, and
    what the commit raises; then nothing has happened.
    """
    runs: list[HandlerRun] = []
    limit = math.inf if has_whole_limit else GROUP_LIMIT
    limits = {receipt.id: min(limit, float(receipt.source.handler_timeout_seconds)) for receipt in claimed}
    end = time.monotonic() + GROUP_SECONDS
    savepoints = Savepoints()
    with transaction.atomic():
        still_claimed = lock(claimed)
        with watchdog(GROUP_SECONDS + 2 * max(limits.values())):
            runs += _run_batches([it for it in claimed if it.id in still_claimed], limits, savepoints)
            done = {run.receipt_id for run in runs}
            blocked = {run.blocks for run in runs if run.blocks is not None}
            for receipt in claimed:
                if receipt.id in done or order_key_of(receipt) in blocked:
                    continue
                if runs and time.monotonic() > end:
                    break
                run = HandlerRun(receipt, limits[receipt.id])
                runs.append(run)
                if receipt.id in still_claimed:
                    _run_claimed(run, savepoints, is_alone=len(claimed) == 1)
                if run.blocks is not None:
                    blocked.add(run.blocks)
        _settle(runs)
    return runs


def settle_alone(runs: Sequence[HandlerRun]) -> None:
    """Record results in a transaction of their own."""
    with transaction.atomic():
        _settle(runs)


def _settle(runs: Sequence[HandlerRun]) -> None:
    """Record the results of these runs, and report those that are final."""
    settled = settle([run.result for run in runs if run.result is not None])
    report_ended(((run.receipt, run.result, run.choices) for run in runs), settled)
    _notify_waiters(runs)


def _run_claimed(run: HandlerRun, savepoints: Savepoints, *, is_alone: bool) -> None:
    if run.source.tenant_deleted_at is not None:
        run.give_up(Receipt.Cause.TENANT_DELETED, "the tenant of the source was deleted")
    else:
        _run_in_savepoint(run, savepoints, is_alone=is_alone)


def _run_batches(receipts: Sequence[Receipt], limits: dict[UUID, float], savepoints: Savepoints) -> list[HandlerRun]:
    """Run the receipts that may run together; return their runs, none for those of a call that failed."""
    runs: list[HandlerRun] = []
    for batch in batches(receipts):
        hooks_before = len(connection.run_on_commit)
        own = [HandlerRun(receipt, limits[receipt.id], current=rule.name) for rule, receipt in batch]
        limit = min(run.limit for run in own)
        ends = run_batch(batch, limit, savepoints, partial(_limit_hooks, hooks_before, own[0]))
        if connection.closed_in_transaction or connection.needs_rollback:
            raise TransactionLost(own[0])
        for run, end, (rule, _) in zip(own, ends or (), batch if ends else (), strict=ends is not None):
            run.seconds = end.seconds
            record_handled(run.receipt, end.seconds, end.error)
            run.choices = [rule.choice] if end.has_run else []
            if end.error is None:
                run.done = [run.current] if end.has_run else []
                run.succeed()
            else:
                run.end_with(end.error, is_alone=True)
            runs.append(run)
    return runs


def _run_in_savepoint(run: HandlerRun, savepoints: Savepoints, *, is_alone: bool) -> None:
    hooks_before, begin = len(connection.run_on_commit), time.monotonic()
    with handling(run.receipt) as errors:
        try:
            with savepoints.savepoint():
                out_of_order = _run_handlers(run)
            run.succeed(out_of_order=out_of_order)
        except _OutOfOrder:
            run.skip()
        except (Exception, HandlerTimeout) as error:
            errors.append(type(error).__name__)
            run.end_with(error, is_alone=is_alone)
    run.seconds = time.monotonic() - begin
    if connection.closed_in_transaction or connection.needs_rollback:
        raise TransactionLost(run) from run.error
    _limit_hooks(hooks_before, run)


def _run_handlers(run: HandlerRun) -> bool:
    """Run all matching handlers of a receipt; return whether it is out of order. Raises what a handler raises."""
    receipt, source = run.receipt, run.source
    place = sequence.sequence_of(receipt)
    if place is not None and source.skip_out_of_order and sequence.is_out_of_order(receipt, place):
        raise _OutOfOrder
    with alarm(run.limit):
        run.current = "matching"
        rules = matching_rules(receipt)
        run.choices = [rule.choice for rule in rules if rule.choice is not None]
        for rule in rules:
            run.current = rule.name
            rule.run(receipt)
            run.done.append(rule.name)
    check_transaction()
    is_behind = place is not None and sequence.advance_latest(receipt, place)
    if is_behind and source.skip_out_of_order:
        raise _OutOfOrder
    return is_behind


def _notify_waiters(runs: Sequence[HandlerRun]) -> None:
    """Notify the requests that wait for these receipts. RetryLater is no result: they go on waiting."""
    waited_for = [
        (run.receipt_id, run.result.state)
        for run in runs
        if run.source.response_when == Source.ResponseWhen.PROCESSED
        and run.result is not None
        and run.outcome is not RunOutcome.RETRY_LATER
    ]
    notify_waiters(waited_for)


def _limit_hooks(start: int, run: HandlerRun) -> None:
    """Give the after-commit hooks of this receipt a time limit, and keep an exception in one from stopping others."""
    hooks: list[Any] = connection.run_on_commit  # (savepoints, hook, whether its exception is only logged)
    hooks[start:] = [(savepoints, partial(_run_hook, run, hook), True) for savepoints, hook, _ in hooks[start:]]


def _run_hook(run: HandlerRun, hook: Callable[[], object]) -> None:
    begin = time.monotonic()
    try:
        with time_limit(run.source.handler_timeout_seconds):
            hook()
    except (Exception, HandlerTimeout) as error:
        telemetry.log_hook_failed(str(run.receipt_id), error)
    run.seconds += time.monotonic() - begin
