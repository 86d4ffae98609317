"""Hold the run of the handlers of one receipt, and decide by its end what becomes of the receipt."""

import random
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import OperationalError

from webhooks.models import Receipt, Source
from webhooks.processing.handlers import GiveUp, RetryLater
from webhooks.processing.receipts import ReceiptResult
from webhooks.processing.running.handler_timeout import HandlerTimeout
from webhooks.processing.running.results import Choices
from webhooks.processing.running.retry_plan import wait_after
from webhooks.wire.bodies.storable_text import storable
from webhooks.wire.errors import UnreadableBody

MAX_RETRY_LATER = 24 * 3600  # seconds
MAX_ERROR_LENGTH = 2000  # characters
MAX_TRACEBACK_LENGTH = 8000  # characters
_MAY_BE_DUE_TO_OTHERS = ("40001", "40P01")  # serialization failure, deadlock


class RunOutcome(Enum):
    """List the ends of a run; the values label the metric."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"
    RETRY_LATER = "retry_later"
    DEAD = "dead"
    LOST = "lost"  # another worker has claimed it
    TOO_SLOW = "too_slow"  # for a group: to be run again alone
    AGAIN = "again"  # the failure may be due to others in the group: to be run again alone


OrderKey = tuple[UUID, str]
"""A source and an order key of it: receipts with the same one run in order."""


def order_key_of(receipt: Receipt) -> OrderKey | None:
    """Return the order key of a receipt; None if it has none."""
    return (receipt.source_id, receipt.order_key) if receipt.order_key else None


@dataclass(slots=True)
class HandlerRun:
    """A run of the handlers of one receipt: what they did and how it ended.

    ``limit``: seconds that the handlers may take. ``current``: the handler that runs, or the last one. ``seconds``: how
    long they took, after-commit hooks included. ``result``: what is recorded; None if the receipt runs again alone.
    """

    receipt: Receipt
    limit: float
    receipt_id: UUID = field(init=False)  # a handler may delete the receipt, which clears its id
    source: Source = field(init=False)
    order_key: OrderKey | None = field(init=False)
    outcome: RunOutcome = RunOutcome.LOST
    result: ReceiptResult | None = None
    error: BaseException | None = None
    current: str = ""
    done: list[str] = field(default_factory=list)
    choices: Choices = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.receipt_id, self.source = self.receipt.id, self.receipt.source
        self.order_key = order_key_of(self.receipt)

    @property
    def blocks(self) -> OrderKey | None:
        """Return the order key whose later receipts must not run now, because this run has not finished its receipt."""
        has_finished = self.outcome in (RunOutcome.PROCESSED, RunOutcome.SKIPPED, RunOutcome.DEAD)
        return None if has_finished else self.order_key

    def succeed(self, *, out_of_order: bool = False) -> None:
        """End with success of the handlers in ``done``. ``out_of_order``: a later receipt was handled first."""
        self.outcome = RunOutcome.PROCESSED
        self.result = self._processed(out_of_order=out_of_order)

    def skip(self) -> None:
        """End a receipt that is out of order without what its handlers did."""
        self.done, self.outcome = [], RunOutcome.SKIPPED
        self.result = self._processed(out_of_order=True)

    def give_up(self, cause: Receipt.Cause, error: str) -> None:
        """Make the receipt dead without running its handlers."""
        self.outcome = RunOutcome.DEAD
        self.result = self._not_processed(0, cause=cause, error=error)

    def end_with(self, error: BaseException, *, is_alone: bool) -> None:
        """End with what a handler raised: again later, dead, again alone, or a failure."""
        if isinstance(error, RetryLater):
            self.outcome = RunOutcome.RETRY_LATER
            seconds = min(max(error.seconds, 0.0), MAX_RETRY_LATER)
            self.result = self._not_processed(0, retry_in=seconds, error=f"{self.current}: RetryLater")
        elif isinstance(error, (GiveUp, UnreadableBody)):
            self.outcome = RunOutcome.DEAD
            gave_up = isinstance(error, GiveUp)
            self.error = None if gave_up else error
            cause = Receipt.Cause.HANDLER_GAVE_UP if gave_up else Receipt.Cause.UNREADABLE_BODY
            self.result = self._not_processed(1, cause=cause, error=self._describe(error))
        elif (again := self._again(error, is_alone=is_alone)) is not None:
            self.outcome = again
        else:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End with a failure: the receipt is due again by the retry plan, or dead."""
        self.error = error
        attempts = self.receipt.attempts + 1
        wait = wait_after(attempts, random.random(), self.source.retry_plan)  # noqa: S311 - spreads load, hides nothing
        if wait is None:
            self.outcome = RunOutcome.DEAD
            self.result = self._not_processed(1, cause=Receipt.Cause.EXHAUSTED, error=self._describe(error))
        else:
            self.outcome = RunOutcome.FAILED
            self.result = self._not_processed(1, retry_in=wait, error=self._describe(error))

    def _again(self, error: BaseException, *, is_alone: bool) -> RunOutcome | None:
        """Return the outcome of a receipt that failed and runs again alone, without an attempt; None if it does not."""
        if isinstance(error, HandlerTimeout) and self.limit < self.source.handler_timeout_seconds:
            return RunOutcome.TOO_SLOW
        sqlstate = getattr(error.__cause__, "sqlstate", None)
        if not is_alone and isinstance(error, OperationalError) and sqlstate in _MAY_BE_DUE_TO_OTHERS:
            return RunOutcome.AGAIN
        return None

    def _describe(self, error: BaseException) -> str:
        """Return the text that the receipt shows: the handler and its error."""
        said: object = f"took longer than {self.limit:g} s" if isinstance(error, HandlerTimeout) else error
        return storable(f"{self.current}: {type(error).__name__}: {said}")[:MAX_ERROR_LENGTH]

    def _traceback(self) -> str:
        """Return the end of the traceback of the error, as the receipt shows it; empty if there was none."""
        if self.error is None:
            return ""
        return storable("".join(traceback.format_exception(self.error)))[-MAX_TRACEBACK_LENGTH:]

    def _processed(self, *, out_of_order: bool) -> ReceiptResult:
        return ReceiptResult(
            self.receipt_id,
            self.receipt.claim_token,
            1,
            handled_by=self.done,
            out_of_order=out_of_order,
            skipped=self.outcome is RunOutcome.SKIPPED,
            steps=self._steps(),
        )

    def _not_processed(
        self, attempts: int, *, retry_in: float | None = None, cause: str = "", error: str
    ) -> ReceiptResult:
        return ReceiptResult(
            self.receipt_id,
            self.receipt.claim_token,
            attempts,
            retry_in=retry_in,
            cause=cause,
            error=error,
            traceback=self._traceback(),
            steps=self._steps(),
        )

    def _steps(self) -> Sequence[Mapping[str, Any]]:
        return () if self.receipt.prepared is None else self.receipt.prepared.steps()


def failed_commit(receipt: Receipt, error: BaseException) -> HandlerRun:
    """Return the run of a receipt whose handlers succeeded and whose commit failed."""
    run = HandlerRun(receipt, float(receipt.source.handler_timeout_seconds), current="commit")
    run.fail(error)
    return run
