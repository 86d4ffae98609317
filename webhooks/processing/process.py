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
from webhooks.processing.handlers import GiveUp, Later, matching
from webhooks.processing.receipts import bury, claim, finish, hold, put_off, release
from webhooks.processing.retry_plan import wait_after

BATCH = 20  # receipts claimed at once
HOARD = 2.0  # seconds after which what was claimed and not begun is left to others
MOST_CLAIMS = 3
LONGEST_LATER = 24 * 3600  # seconds
LONGEST_ERROR = 2000  # characters of an error that are kept
TURN = 25.0  # seconds a drain works before it makes room for others on its worker


def process_due(seconds: float = TURN) -> int:
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
    end = time.monotonic() + HOARD
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
    if receipt.claims > MOST_CLAIMS:
        _die(receipt, Receipt.Cause.POISON, f"claimed {MOST_CLAIMS} times without an end", attempts=0)
        return
    run = _Run(receipt)
    try:
        outcome = run.in_one_transaction()
    except _Overtaken:
        outcome = run.skip()
    except Later as wish:
        seconds = min(max(wish.seconds, 0.0), LONGEST_LATER)
        put_off(receipt, seconds, f"{run.current}: later", attempts=0)
        outcome = "later"
    except GiveUp as error:
        _die(receipt, Receipt.Cause.REFUSED, run.say(error), attempts=1)
        return
    except (Exception, handler_timeout.Overdue) as error:
        _fail(receipt, run, error)
        return
    if outcome in ("processed", "skipped"):
        hourly_counts.count(receipt.source_id, "processed")
    telemetry.ran(outcome)


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
        place = sequence.of(self.receipt)
        with transaction.atomic():
            if not hold(self.receipt):
                return "lost"
            if place is not None and self.source.skip_stale and sequence.is_behind(self.receipt, place):
                raise _Overtaken
            with handler_timeout.within(self.source.handler_seconds):
                self._all_handlers()
            behind = place is not None and sequence.advance(self.receipt, place)
            if behind and self.source.skip_stale:
                raise _Overtaken
            finish(self.receipt, self.done, out_of_order=behind)
        return "processed"

    def skip(self) -> str:
        """It is stale: nobody handles it, and that is its end."""
        finish(self.receipt, [], out_of_order=True, skipped=True)
        return "skipped"

    def _all_handlers(self) -> None:
        for rule in matching(self.receipt):
            self.current = rule.name
            rule.function(self.receipt)
            self.done.append(rule.name)

    def say(self, error: BaseException) -> str:
        said = (
            f"took longer than {self.source.handler_seconds} s" if isinstance(error, handler_timeout.Overdue) else error
        )
        text = f"{self.current}: {type(error).__name__}: {said}".replace("\0", "")
        return text.encode("utf-8", "replace").decode()[:LONGEST_ERROR]


def _fail(receipt: Receipt, run: _Run, error: BaseException) -> None:
    attempts = receipt.attempts + 1
    hourly_counts.count(receipt.source_id, "failed")
    telemetry.failed(receipt.public_id, run.current, error, attempts)
    wait = wait_after(attempts, random.random(), receipt.source.retry_plan)  # noqa: S311 - spreads load, hides nothing
    if wait is None:
        _die(receipt, Receipt.Cause.EXHAUSTED, run.say(error), attempts=1)
        return
    put_off(receipt, wait, run.say(error), attempts=1)
    telemetry.ran("failed")


def _die(receipt: Receipt, cause: Receipt.Cause, error: str, *, attempts: int) -> None:
    bury(receipt, cause, error, attempts=attempts)
    hourly_counts.count(receipt.source_id, "dead")
    telemetry.died(receipt.public_id, cause, error)
    telemetry.ran("dead")
