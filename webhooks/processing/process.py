"""Run the handlers of due receipts: claim some, then run each in one transaction, and record the result.

The row is locked while its handlers run, and their writes commit together with "processed". So a receipt is never
handled twice at once, even if a handler outlasts its claim, and its database effects happen once. The price is a
transaction that is open as long as a handler runs: handlers that call other services should be short.

A handler that raises, or exceeds the time limit of its source, costs an attempt, and the receipt is due again by the
retry plan. Then all handlers of the receipt run again, since they share one transaction. A worker that crashes records
nothing: ``claims`` counts such claims, and after ``MAX_CLAIMS`` the receipt is dead (``crashed_worker``) and can be
replayed.
"""

import random
import time
from uuid import UUID

from django.db import transaction

from webhooks import telemetry
from webhooks.models import Receipt, Source
from webhooks.processing import handler_timeout, sequence
from webhooks.processing.handlers import GiveUp, RetryLater, matching_rules
from webhooks.processing.notify import notify_waiters, receipt_workers
from webhooks.processing.receipts import claim, lock, mark_dead, mark_processed, release, reschedule
from webhooks.processing.retry_plan import wait_after
from webhooks.sources import source_counts

BATCH = 20  # receipts per claim
RELEASE_AFTER = 2.0  # seconds after which claimed receipts that have not started are released
MAX_CLAIMS = 3  # claims without a result; then the receipt is dead
MAX_RETRY_LATER = 24 * 3600  # seconds
MAX_ERROR_LENGTH = 2000  # characters
MAX_RUN_SECONDS = 25.0  # seconds a task runs before it gives its worker to other tasks


def process_due(seconds: float = MAX_RUN_SECONDS) -> int:
    """Process due receipts until none is left or the time is over (then wake another worker); return their number."""
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        claimed = claim(BATCH)
        if not claimed:
            return done
        done += process_claimed(claimed)
    receipt_workers.notify()
    return done


def process_claimed(claimed: list[Receipt]) -> int:
    """Process claimed receipts, oldest first, and return their number.

    Those that have not started after ``RELEASE_AFTER``, or when an exception ends this, are released to others.
    """
    end = time.monotonic() + RELEASE_AFTER
    done = 0
    try:
        for receipt in claimed:
            if done and time.monotonic() > end:
                break
            done += 1
            process(receipt)
    finally:
        release(claimed[done:])
    return done


def process(receipt: Receipt) -> None:
    """Run the handlers of one claimed receipt and record the result."""
    if receipt.claims > MAX_CLAIMS:
        _mark_dead(receipt, Receipt.Cause.CRASHED_WORKER, f"{MAX_CLAIMS} claims ended without a result", attempts=0)
        return
    if receipt.source.tenant_deleted_at is not None:
        _mark_dead(receipt, Receipt.Cause.TENANT_DELETED, "the tenant of the source was deleted", attempts=0)
        return
    run = _HandlerRun(receipt)
    try:
        outcome = run.in_one_transaction()
    except _OutOfOrder:
        outcome = run.skip()
    except RetryLater as request:
        seconds = min(max(request.seconds, 0.0), MAX_RETRY_LATER)
        reschedule(receipt, seconds, f"{run.current}: RetryLater", attempts=0)
        outcome = "retry_later"
    except GiveUp as error:
        _mark_dead(receipt, Receipt.Cause.HANDLER_GAVE_UP, run.describe(error), attempts=1)
        return
    except (Exception, handler_timeout.HandlerTimeout) as error:
        _fail(receipt, run, error)
        return
    if outcome in ("processed", "skipped"):
        source_counts.count(receipt.source_id, "processed")
    telemetry.count_run(outcome)


class _OutOfOrder(Exception):
    """A later receipt of the order key was handled first, and the source skips receipts out of order."""


class _HandlerRun:
    """A run of the handlers of one receipt, with the current handler and those that finished."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.id = receipt.id  # of the row, also if a handler deletes it
        self.source = receipt.source
        self.current = ""
        self.done: list[str] = []

    def in_one_transaction(self) -> str:
        """Commit the handlers' writes and their success together, or neither; return the outcome."""
        place = sequence.sequence_of(self.receipt)
        with transaction.atomic():
            if not lock(self.receipt):
                return "lost"
            if place is not None and self.source.skip_out_of_order and sequence.is_out_of_order(self.receipt, place):
                raise _OutOfOrder
            with handler_timeout.time_limit(self.source.handler_timeout_seconds):
                self._all_handlers()
            behind = place is not None and sequence.advance_latest(self.receipt, place)
            if behind and self.source.skip_out_of_order:
                raise _OutOfOrder
            mark_processed(self.receipt, self.done, out_of_order=behind)
            _notify_waiter(self.source, self.id, "processed")
        return "processed"

    def skip(self) -> str:
        """Settle the receipt without running handlers."""
        mark_processed(self.receipt, [], out_of_order=True, skipped=True)
        _notify_waiter(self.source, self.id, "processed")
        return "skipped"

    def _all_handlers(self) -> None:
        for rule in matching_rules(self.receipt):
            self.current = rule.name
            rule.function(self.receipt)
            self.done.append(rule.name)

    def describe(self, error: BaseException) -> str:
        said = (
            f"took longer than {self.source.handler_timeout_seconds} s"
            if isinstance(error, handler_timeout.HandlerTimeout)
            else error
        )
        text = f"{self.current}: {type(error).__name__}: {said}".replace("\0", "")
        return text.encode("utf-8", "replace").decode()[:MAX_ERROR_LENGTH]


def _fail(receipt: Receipt, run: _HandlerRun, error: BaseException) -> None:
    attempts = receipt.attempts + 1
    source_counts.count(receipt.source_id, "handler_failures")
    telemetry.log_handler_failed(receipt.public_id, run.current, error, attempts)
    wait = wait_after(attempts, random.random(), receipt.source.retry_plan)  # noqa: S311 - spreads load, hides nothing
    if wait is None:
        _mark_dead(receipt, Receipt.Cause.EXHAUSTED, run.describe(error), attempts=1)
        return
    reschedule(receipt, wait, run.describe(error), attempts=1)
    _notify_waiter(receipt.source, receipt.id, "pending")
    telemetry.count_run("failed")


def _mark_dead(receipt: Receipt, cause: Receipt.Cause, error: str, *, attempts: int) -> None:
    mark_dead(receipt, cause, error, attempts=attempts)
    _notify_waiter(receipt.source, receipt.id, "dead")
    source_counts.count(receipt.source_id, "dead")
    telemetry.log_dead(receipt.public_id, cause, error)
    telemetry.count_run("dead")


def _notify_waiter(source: Source, receipt_id: UUID, state: str) -> None:
    if source.response_when == Source.ResponseWhen.PROCESSED:
        notify_waiters([(receipt_id, state)])
