"""Change the state of receipts, many in one guarded statement, on the database's clock.

turns.claims   due receipts become this worker's: a token, and due again when the claim expires
lock           the claimed rows, for the transaction their handlers run in
settle         record results, only while the claim's token is in the row
release        claimed receipts that have not started are due again
retry          settled receipts are due again

``receiving.insert_receipt`` inserts them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db.models import F, Q
from django.db.models.functions import Now

from webhooks.kit import sql
from webhooks.models import Receipt, Source

MAX_HISTORY = 20  # runs of the handlers that a receipt keeps, each with up to 8,000 characters of a traceback
OUTCOMES = [(it, it) for it in ("processed", "skipped", "failed", "retry_later", "dead")]
SETTLED = Q(due_at__isnull=True)
"""The handlers have finished, or the receipt is dead."""

# In the order of the keys, so that two transactions cannot deadlock.
_LOCK = """
    SELECT id FROM webhooks_receipt WHERE id = ANY(%(ids)s::uuid[]) AND claim_token = %(token)s::uuid
    ORDER BY id FOR UPDATE
"""

_SETTLE = """
    UPDATE webhooks_receipt AS receipt
    SET claim_token = NULL, claims = 0, attempts = receipt.attempts + result.attempts, last_error = result.error,
        history = CASE WHEN result.error = '' AND result.steps = '' AND receipt.history = '[]' THEN receipt.history ELSE
            CASE WHEN jsonb_array_length(receipt.history) >= %(max_history)s THEN receipt.history - 0
                 ELSE receipt.history END
            || jsonb_build_array(jsonb_build_object(
                'number', receipt.attempts + 1, 'ended_at', statement_timestamp(), 'outcome', result.outcome,
                'error', result.error, 'traceback', result.traceback)
                || CASE WHEN result.steps = '' THEN '{}'::jsonb
                    ELSE jsonb_build_object('steps', result.steps::jsonb) END) END,
        due_at = CASE WHEN result.retry_in >= 0 THEN statement_timestamp() + make_interval(secs => result.retry_in) END,
        processed_at = CASE WHEN result.is_processed THEN statement_timestamp() ELSE receipt.processed_at END,
        dead_at = CASE WHEN result.cause <> '' THEN statement_timestamp() ELSE receipt.dead_at END,
        cause = result.cause,
        handled_by = CASE WHEN result.is_processed THEN result.handled_by::jsonb ELSE receipt.handled_by END,
        out_of_order = CASE WHEN result.is_processed THEN result.out_of_order ELSE receipt.out_of_order END,
        skipped = CASE WHEN result.is_processed THEN result.skipped ELSE receipt.skipped END
    FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(attempts)s::int[], %(errors)s::text[], %(retries)s::float8[],
        %(processed)s::boolean[], %(causes)s::text[], %(handled_by)s::text[], %(out_of_order)s::boolean[],
        %(skipped)s::boolean[], %(tracebacks)s::text[], %(outcomes)s::text[], %(steps)s::text[])
        AS result (id, token, attempts, error, retry_in,
        is_processed, cause, handled_by, out_of_order, skipped, traceback, outcome, steps)
    WHERE receipt.id = result.id AND receipt.claim_token = result.token
    RETURNING receipt.id
"""
_NO_RETRY = -1.0  # seconds, for results that are settled


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """The result of a claimed receipt: due again in ``retry_in`` seconds, dead with a ``cause``, or else processed.

    ``attempts`` (0 or 1) are added to those of the receipt; ``handled_by`` names the handlers that finished.
    """

    receipt_id: UUID
    token: UUID | None
    attempts: int
    handled_by: Sequence[str] = ()
    out_of_order: bool = False
    skipped: bool = False
    retry_in: float | None = None
    cause: str = ""
    error: str = ""
    traceback: str = ""
    steps: Sequence[Mapping[str, Any]] = ()

    @property
    def outcome(self) -> str:
        """Return how the run ended: processed, skipped, failed, retry_later or dead."""
        if self.retry_in is not None:
            return "failed" if self.attempts else "retry_later"
        return "dead" if self.cause else "skipped" if self.skipped else "processed"

    @property
    def state(self) -> str:
        """Return the state of the receipt: pending, processed or dead."""
        if self.retry_in is not None:
            return "pending"
        return "dead" if self.cause else "processed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the handlers of a receipt. ``outcome``: see OUTCOMES. ``error`` may be empty, ``traceback`` too."""

    number: int
    ended_at: datetime
    outcome: str
    error: str = ""
    traceback: str = ""
    steps: Sequence[Mapping[str, Any]] = ()


def attempts_of(receipt: Receipt) -> list[Attempt]:
    """Return the latest runs of the handlers, newest first. The first one is not stored if it succeeded."""
    if not receipt.history and receipt.processed_at is not None and receipt.attempts:
        outcome = "skipped" if receipt.skipped else "processed"
        return [Attempt(receipt.attempts, receipt.processed_at, outcome)]
    stored = [Attempt(**it | {"ended_at": datetime.fromisoformat(it["ended_at"])}) for it in receipt.history]
    return stored[::-1]


def release(claimed: Sequence[Receipt], *, seconds: float = 0.0) -> None:
    """Make claimed receipts that have not started due again in ``seconds``, without counting the claim."""
    by_token: dict[UUID | None, list[UUID]] = {}
    for receipt in claimed:
        by_token.setdefault(receipt.claim_token, []).append(receipt.id)
    due_at = Now() + timedelta(seconds=seconds) if seconds else Now()
    for token, ids in by_token.items():
        rows = Receipt.objects.filter(id__in=ids, claim_token=token)
        rows.update(due_at=due_at, claim_token=None, claims=F("claims") - 1)


def lock(claimed: Sequence[Receipt]) -> set[UUID]:
    """Lock receipts of one claim until the transaction ends; return the ids of those that are still this worker's."""
    values = {"ids": [receipt.id for receipt in claimed], "token": claimed[0].claim_token}
    return {id for (id,) in sql.run(_LOCK, values)}


def settle(results: Sequence[ReceiptResult]) -> set[UUID]:
    """Record these results, only where the claim's token is still in the row; return the receipts where it was."""
    if not results:
        return set()
    values = {
        "ids": [result.receipt_id for result in results],
        "tokens": [result.token for result in results],
        "attempts": [result.attempts for result in results],
        "errors": [result.error for result in results],
        "tracebacks": [result.traceback for result in results],
        "max_history": MAX_HISTORY,
        "outcomes": [result.outcome for result in results],
        "retries": [_NO_RETRY if result.retry_in is None else float(result.retry_in) for result in results],
        "processed": [result.state == "processed" for result in results],
        "causes": [str(result.cause) for result in results],
        "handled_by": [orjson.dumps(list(result.handled_by)).decode() for result in results],
        "out_of_order": [result.out_of_order for result in results],
        "skipped": [result.skipped for result in results],
        "steps": [orjson.dumps(list(result.steps)).decode() if result.steps else "" for result in results],
    }
    return {id for (id,) in sql.run(_SETTLE, values)}


def retry(ids: Sequence[UUID], replay_id: UUID | None = None) -> int:
    """Make the settled ones of these receipts due again with no attempts used, by a replay; return their number."""
    return Receipt.objects.filter(SETTLED, id__in=ids).update(
        due_at=Now(),
        claims=0,
        attempts=0,
        dead_at=None,
        cause="",
        processed_at=None,
        skipped=False,
        replay_id=replay_id,
    )


def by_message_id(message_id: str) -> Q:
    """Return the filter for this message id at any source: a lookup in two indexes for each source.

    One index has the receipts that are unique by their message id, the other those that are not.
    """
    found = Q(source__in=Source.objects.values("id"), message_id=message_id.replace("\0", ""))
    return found & (Q(may_repeat=False) | Q(may_repeat=True))


def by_event_type(event_type: str) -> Q:
    """Return the filter for this event type at any source: one lookup in receipt_event_type for each source."""
    return Q(source__in=Source.objects.values("id"), event_type=event_type.replace("\0", ""))
