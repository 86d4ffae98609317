"""Hand kept receipts to their handlers: claim, hold, run, finish, and what happens when that does not work out.

The row is locked for as long as its handlers run, and what they write commits together with "processed". So a
receipt is never handled twice at once, even if a handler outlasts its claim, and never handled without a trace.
The price: a transaction stays open for as long as a handler takes. Handlers that call others should be short.

A handler that raises costs an attempt and the receipt is due again by ``PLAN``. A worker that dies (or whose
handler ends the process) never gets to say so: ``claims`` counts those, and after ``MOST_CLAIMS`` the receipt is
poison and goes to the dead, where it can be looked at and replayed.
"""

import random
import time

from django.db import transaction

from webhooks import telemetry, wake
from webhooks.handlers import GiveUp, Later, matching
from webhooks.models import Receipt
from webhooks.receipts import bury, claim, finish, hold, put_off

PLAN = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""Seconds to wait after each failure: 9 attempts over 41 hours, then dead."""

JITTER = 0.2  # of each wait, both ways, so that what failed together does not come back together
MOST_CLAIMS = 3
LONGEST_LATER = 24 * 3600  # seconds
LONGEST_ERROR = 2000  # characters of an error that are kept
TURN = 25.0  # seconds a drain works before it makes room for others on its worker


def process_due(seconds: float = TURN) -> int:
    """Process what is due until nothing is, or the turn is over: then ring for a successor. Returns how many."""
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        receipt = claim()
        if receipt is None:
            return done
        process(receipt)
        done += 1
    wake.ring()
    return done


def process(receipt: Receipt) -> None:
    """One claimed receipt, to whatever end."""
    if receipt.claims > MOST_CLAIMS:
        _die(receipt, Receipt.Cause.POISON, f"claimed {MOST_CLAIMS} times without an end", attempts=0)
        return
    run = _Run(receipt)
    try:
        with transaction.atomic():
            if not hold(receipt):
                return
            run.all_handlers()
            finish(receipt, run.done)
    except Later as wish:
        seconds = min(max(wish.seconds, 0.0), LONGEST_LATER)
        put_off(receipt, seconds, f"{run.current}: later", attempts=0)
        telemetry.ran("later")
    except GiveUp as error:
        _die(receipt, Receipt.Cause.REFUSED, run.say(error), attempts=1)
    except Exception as error:
        _fail(receipt, run, error)
    else:
        telemetry.ran("processed")


def wait_after(attempts: int, chance: float) -> float | None:
    """Seconds to wait after this many failed attempts, ``chance`` from 0 to 1; None: no more attempts."""
    if attempts > len(PLAN):
        return None
    return PLAN[attempts - 1] * (1 + JITTER * (2 * chance - 1))


class _Run:
    """The handlers of one receipt, and how far they got."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.current = ""
        self.done: list[str] = []

    def all_handlers(self) -> None:
        for rule in matching(self.receipt):
            self.current = rule.name
            rule.function(self.receipt)
            self.done.append(rule.name)

    def say(self, error: Exception) -> str:
        text = f"{self.current}: {type(error).__name__}: {error}".replace("\0", "")
        return text.encode("utf-8", "replace").decode()[:LONGEST_ERROR]


def _fail(receipt: Receipt, run: _Run, error: Exception) -> None:
    attempts = receipt.attempts + 1
    telemetry.failed(receipt.public_id, run.current, error, attempts)
    wait = wait_after(attempts, random.random())  # noqa: S311 - spreads load, hides nothing
    if wait is None:
        _die(receipt, Receipt.Cause.EXHAUSTED, run.say(error), attempts=1)
        return
    put_off(receipt, wait, run.say(error), attempts=1)
    telemetry.ran("failed")


def _die(receipt: Receipt, cause: Receipt.Cause, error: str, *, attempts: int) -> None:
    bury(receipt, cause, error, attempts=attempts)
    telemetry.died(receipt.public_id, cause, error)
    telemetry.ran("dead")
