"""Hand kept receipts to their handlers: claim a few, then one after the other hold, run, finish; or what else happens.

The row is locked for as long as its handlers run, and what they write commits together with "processed". So a
receipt is never handled twice at once, even if a handler outlasts its claim, and never handled without a trace.
The price: a transaction stays open for as long as a handler takes. Handlers that call others should be short.

A handler that raises, or is not done at the deadline of its source, costs an attempt, and the receipt is due again
by the plan. A worker that dies (or whose handler ends the process) never gets to say so: ``claims`` counts those,
and after ``MOST_CLAIMS`` the receipt is poison and goes to the dead, where it can be looked at and replayed.
"""

import random
import time

from django.db import transaction

from webhooks import telemetry
from webhooks.kit import hourly_counts, notify
from webhooks.models import Receipt
from webhooks.processing import handler_timeout, sequence
from webhooks.processing.handlers import GiveUp, RetryLater, matching_rules
from webhooks.processing.receipts import claim, lock, mark_dead, mark_processed, release, reschedule
from webhooks.processing.retry_plan import wait_after

BATCH = 20  # receipts claimed at once
RELEASE_AFTER = 2.0  # seconds after which what was claimed and not begun is left to others
MAX_CLAIMS = 3
MAX_RETRY_LATER = 24 * 3600  # seconds
MAX_ERROR_LENGTH = 2000  # characters of an error that are kept
MAX_RUN_SECONDS = 25.0  # seconds a drain works before it makes room for others on its worker


def process_due(seconds: float = MAX_RUN_SECONDS) -> int:
    """Process what is due until nothing is, or the turn is over: then ring for a successor. Returns how many."""
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        claimed = claim(BATCH)
        if not claimed:
            return done
        done += _work_through(claimed)
    notify.ring()
    return done


def _work_through(claimed: list[Receipt]) -> int:
    """Process what was claimed, oldest first; give back what waits for longer than a moment. Returns how many were
    processed. Whatever ends this early, the rest is not held up for it."""
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
    """One claimed receipt, to whatever end."""
    if receipt.claims > MAX_CLAIMS:
        _die(receipt, Receipt.Cause.CRASHED_WORKER, f"claimed {MAX_CLAIMS} times without an end", attempts=0)
        return
    run = _Run(receipt)
    try:
        outcome = run.in_one_transaction()
    except _Overtaken:
        outcome = run.skip()
    except RetryLater as wish:
        seconds = min(max(wish.seconds, 0.0), MAX_RETRY_LATER)
        reschedule(receipt, seconds, f"{run.current}: later", attempts=0)
        outcome = "later"
    except GiveUp as error:
        _die(receipt, Receipt.Cause.HANDLER_GAVE_UP, run.say(error), attempts=1)
        return
    except (Exception, handler_timeout.HandlerTimeout) as error:
        _fail(receipt, run, error)
        return
    if outcome in ("processed", "skipped"):
        hourly_counts.count(receipt.source_id, "processed")
    telemetry.count_run(outcome)


class _Overtaken(Exception):
    """A later receipt of its key was handled before this one could commit, and the source wants no stale ones."""


class _Run:
    """The handlers of one receipt, and how far they got."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.source = receipt.source
        self.current = ""
        self.done: list[str] = []

    def in_one_transaction(self) -> str:
        """What the handlers write and that they have done so: both or neither."""
        place = sequence.sequence_of(self.receipt)
        with transaction.atomic():
            if not lock(self.receipt):
                return "lost"
            if place is not None and self.source.skip_out_of_order and sequence.is_out_of_order(self.receipt, place):
                raise _Overtaken
            with handler_timeout.time_limit(self.source.handler_timeout_seconds):
                self._all_handlers()
            behind = place is not None and sequence.advance_latest(self.receipt, place)
            if behind and self.source.skip_out_of_order:
                raise _Overtaken
            mark_processed(self.receipt, self.done, out_of_order=behind)
        return "processed"

    def skip(self) -> str:
        """It is stale: nobody handles it, and that is its end."""
        mark_processed(self.receipt, [], out_of_order=True, skipped=True)
        return "skipped"

    def _all_handlers(self) -> None:
        for rule in matching_rules(self.receipt):
            self.current = rule.name
            rule.function(self.receipt)
            self.done.append(rule.name)

    def say(self, error: BaseException) -> str:
        said = (
            f"took longer than {self.source.handler_timeout_seconds} s"
            if isinstance(error, handler_timeout.HandlerTimeout)
            else error
        )
        text = f"{self.current}: {type(error).__name__}: {said}".replace("\0", "")
        return text.encode("utf-8", "replace").decode()[:MAX_ERROR_LENGTH]


def _fail(receipt: Receipt, run: _Run, error: BaseException) -> None:
    attempts = receipt.attempts + 1
    hourly_counts.count(receipt.source_id, "handler_failures")
    telemetry.log_handler_failed(receipt.public_id, run.current, error, attempts)
    wait = wait_after(attempts, random.random(), receipt.source.retry_plan)  # noqa: S311 - spreads load, hides nothing
    if wait is None:
        _die(receipt, Receipt.Cause.EXHAUSTED, run.say(error), attempts=1)
        return
    reschedule(receipt, wait, run.say(error), attempts=1)
    telemetry.count_run("failed")


def _die(receipt: Receipt, cause: Receipt.Cause, error: str, *, attempts: int) -> None:
    mark_dead(receipt, cause, error, attempts=attempts)
    hourly_counts.count(receipt.source_id, "dead")
    telemetry.log_dead(receipt.public_id, cause, error)
    telemetry.count_run("dead")
