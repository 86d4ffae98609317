"""Change the state of receipts, one guarded statement each, on the database's clock.

claim                due receipts become this worker's: a token, and due again when the claim expires
lock                 the claimed row, for the transaction its handlers run in
mark_processed, reschedule, mark_dead, release   only while the claim's token is in the row
retry                settled receipts are due again

``receiving.insert_receipt`` inserts them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet, prefetch_related_objects
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from webhooks.kit import sql
from webhooks.models import Receipt, Source
from webhooks.wire.ids import new_id

CLAIM_SECONDS = 60
"""Time until a crashed worker's receipt is due again. A handler may run longer: it holds the row's lock."""

# Of an order key only the oldest pending receipt is claimed. A receipt whose last claim ended without a result may have
# crashed its worker, so it is claimed alone: a second crash affects no other receipt.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id, claims, row_number() OVER (ORDER BY due_at) AS place FROM (
            SELECT id, claims, due_at FROM webhooks_receipt AS candidate
            WHERE due_at <= statement_timestamp()
              AND (order_key = '' OR NOT EXISTS (
                    SELECT FROM webhooks_receipt AS earlier
                    WHERE earlier.source_id = candidate.source_id AND earlier.order_key = candidate.order_key
                      AND earlier.order_key <> '' AND earlier.due_at IS NOT NULL AND earlier.id < candidate.id))
            ORDER BY due_at
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        ) AS locked
    ), mine AS (
        SELECT id FROM due
        WHERE place = 1 OR (claims = 0 AND (SELECT claims FROM due WHERE place = 1) = 0)
    )
    UPDATE webhooks_receipt AS receipt
    SET claim_token = %s, claims = claims + 1, due_at = statement_timestamp() + make_interval(secs => %s)
    FROM mine WHERE receipt.id = mine.id
    RETURNING receipt.*
"""

SETTLED = Q(due_at__isnull=True)
"""The handlers have finished, or the receipt is dead."""

_LOCK = b"SELECT 1 FROM webhooks_receipt WHERE id = $1 AND claim_token = $2 FOR UPDATE"

_MARK_PROCESSED = b"""
    UPDATE webhooks_receipt
    SET due_at = NULL, claim_token = NULL, claims = 0, processed_at = statement_timestamp(), handled_by = $3::jsonb,
        attempts = $4::int, last_error = '', out_of_order = $5::boolean, skipped = $6::boolean
    WHERE id = $1 AND claim_token = $2
"""

_RESCHEDULE = """
    UPDATE webhooks_receipt
    SET claim_token = NULL, claims = 0, attempts = attempts + %s, last_error = %s,
        due_at = statement_timestamp() + make_interval(secs => %s)
    WHERE id = %s AND claim_token = %s
"""


def find_receipt(source_id: UUID, message_id: str) -> Receipt | None:
    """Return the stored receipt of a duplicate (id and sha256 only), or None if the sweep removed it."""
    stored = Receipt.objects.filter(source_id=source_id, message_id=message_id)
    return stored.only("id", "sha256").first()


def claim(limit: int) -> list[Receipt]:
    """Claim the receipts due longest, up to ``limit``, or one that may have crashed its worker; oldest first."""
    claimed = list(Receipt.objects.raw(_CLAIM, [limit, new_id(), CLAIM_SECONDS]))
    prefetch_related_objects(claimed, "source")
    return sorted(claimed, key=lambda receipt: receipt.id)


def release(claimed: Sequence[Receipt]) -> None:
    """Make claimed receipts that have not started due again at once, without counting the claim."""
    if claimed:
        rows = Receipt.objects.filter(id__in=[receipt.id for receipt in claimed], claim_token=claimed[0].claim_token)
        rows.update(due_at=Now(), claim_token=None, claims=F("claims") - 1)


def lock(receipt: Receipt) -> bool:
    """Lock the row until the transaction ends; return False if another worker has claimed it."""
    return bool(sql.run(_LOCK, [receipt.id, receipt.claim_token]))


def mark_processed(
    receipt: Receipt, handled_by: Sequence[str], *, out_of_order: bool = False, skipped: bool = False
) -> None:
    """Record that the handlers finished or, if ``skipped``, that none ran."""
    names = Jsonb(list(handled_by))
    sql.run(_MARK_PROCESSED, [receipt.id, receipt.claim_token, names, receipt.attempts + 1, out_of_order, skipped])


def reschedule(receipt: Receipt, seconds: float, error: str, *, attempts: int) -> None:
    """Make the receipt due again in this many seconds; ``attempts`` (0 or 1) are added."""
    with connection.cursor() as cursor:
        cursor.execute(_RESCHEDULE, [attempts, error, seconds, receipt.id, receipt.claim_token])


def mark_dead(receipt: Receipt, cause: str, error: str, *, attempts: int) -> None:
    """End the attempts: the receipt is not tried again unless it is replayed."""
    _claimed(receipt).update(
        **_SETTLED_VALUES, dead_at=Now(), cause=cause, last_error=error, attempts=receipt.attempts + attempts
    )


def retry(ids: Sequence[UUID]) -> int:
    """Make the settled ones of these receipts due again with no attempts used; return their number."""
    return Receipt.objects.filter(SETTLED, id__in=ids).update(
        due_at=Now(), claims=0, attempts=0, dead_at=None, cause="", processed_at=None, skipped=False
    )


def by_message_id(message_id: str) -> Q:
    """Return the filter for this message id at any source: one lookup in the unique index for each source."""
    return Q(source__in=Source.objects.values("id"), message_id=message_id.replace("\0", ""))


def by_event_type(event_type: str) -> Q:
    """Return the filter for this event type at any source: one lookup in receipt_event_type for each source."""
    return Q(source__in=Source.objects.values("id"), event_type=event_type.replace("\0", ""))


def first_id_at(moment: datetime) -> UUID:
    """Return the least UUIDv7 of this millisecond (RFC 9562, 5.7), or the nearest valid one."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


_SETTLED_VALUES: dict[str, Any] = {"due_at": None, "claim_token": None, "claims": 0}


def _claimed(receipt: Receipt) -> QuerySet[Receipt]:
    return Receipt.objects.filter(id=receipt.id, claim_token=receipt.claim_token)
