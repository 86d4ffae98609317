"""The statements that move a receipt through its life, each guarded, on the database's clock (``entry`` begins it).

claim             due receipts become this worker's: a token, and due again when the claim runs out
hold              the claimed row is locked for the transaction its handlers run in
finish put_off bury release   only where the token still holds
revive            dead or processed receipts are due again
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
"""A worker that dies owes its receipt again after this. A handler may take longer: it holds the row's lock."""

# Of an ordering key only the oldest unfinished receipt is due. A receipt that was claimed before, and whose claim
# ended without a word, is a suspect: it may have killed its worker. It is claimed alone, so that it takes no
# innocent neighbour with it a second time.
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
"""Nothing is owed: its handlers are done, or have been given up."""

_HOLD = b"SELECT 1 FROM webhooks_receipt WHERE id = $1 AND claim_token = $2 FOR UPDATE"

_FINISH = b"""
    UPDATE webhooks_receipt
    SET due_at = NULL, claim_token = NULL, claims = 0, processed_at = statement_timestamp(), handled_by = $3::jsonb,
        attempts = $4::int, last_error = '', out_of_order = $5::boolean, skipped = $6::boolean
    WHERE id = $1 AND claim_token = $2
"""

_PUT_OFF = """
    UPDATE webhooks_receipt
    SET claim_token = NULL, claims = 0, attempts = attempts + %s, last_error = %s,
        due_at = statement_timestamp() + make_interval(secs => %s)
    WHERE id = %s AND claim_token = %s
"""


def find_receipt(source_id: UUID, message_id: str) -> Receipt | None:
    """The receipt that a repeat repeats; None if it has been swept since."""
    kept = Receipt.objects.filter(source_id=source_id, message_id=message_id)
    return kept.only("id", "sha256").first()


def claim(most: int) -> list[Receipt]:
    """Receipts that have been due longest, now ours, oldest first: ``most`` at most, or one suspect alone."""
    claimed = list(Receipt.objects.raw(_CLAIM, [most, new_id(), CLAIM_SECONDS]))
    prefetch_related_objects(claimed, "source")
    return sorted(claimed, key=lambda receipt: receipt.id)


def release(claimed: Sequence[Receipt]) -> None:
    """What was claimed and not begun is due again at once, as if it had never been claimed."""
    if claimed:
        mine = Receipt.objects.filter(id__in=[receipt.id for receipt in claimed], claim_token=claimed[0].claim_token)
        mine.update(due_at=Now(), claim_token=None, claims=F("claims") - 1)


def lock(receipt: Receipt) -> bool:
    """Lock the row until the transaction ends; False if the claim is no longer ours."""
    return bool(sql.run(_HOLD, [receipt.id, receipt.claim_token]))


def mark_processed(
    receipt: Receipt, handled_by: Sequence[str], *, out_of_order: bool = False, skipped: bool = False
) -> None:
    """Every handler has done its work; or, ``skipped``, none had to."""
    names = Jsonb(list(handled_by))
    sql.run(_FINISH, [receipt.id, receipt.claim_token, names, receipt.attempts + 1, out_of_order, skipped])


def reschedule(receipt: Receipt, seconds: float, error: str, *, attempts: int) -> None:
    """Due again in so many seconds, having cost so many attempts (0 or 1)."""
    with connection.cursor() as cursor:
        cursor.execute(_PUT_OFF, [attempts, error, seconds, receipt.id, receipt.claim_token])


def mark_dead(receipt: Receipt, cause: str, error: str, *, attempts: int) -> None:
    """Nobody will try it again of their own accord."""
    _ours(receipt).update(
        **_LAID_TO_REST, dead_at=Now(), cause=cause, last_error=error, attempts=receipt.attempts + attempts
    )


def retry(ids: Sequence[UUID]) -> int:
    """Make those of these that are at rest due again, as if they had just come. Returns how many were."""
    return Receipt.objects.filter(SETTLED, id__in=ids).update(
        due_at=Now(), claims=0, attempts=0, dead_at=None, cause="", processed_at=None, skipped=False
    )


def by_message_id(message_id: str) -> Q:
    """The condition of having this message id, at whatever source: one look into the unique index for each."""
    return Q(source__in=Source.objects.values("id"), message_id=message_id.replace("\0", ""))


def by_event_type(event_type: str) -> Q:
    """The condition of having this type, at whatever source: one look into the index for each."""
    return Q(source__in=Source.objects.values("id"), event_type=event_type.replace("\0", ""))


def first_id_at(moment: datetime) -> UUID:
    """The least UUIDv7 of this millisecond (RFC 9562, 5.7), or the nearest there is."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


_LAID_TO_REST: dict[str, Any] = {"due_at": None, "claim_token": None, "claims": 0}


def _ours(receipt: Receipt) -> QuerySet[Receipt]:
    return Receipt.objects.filter(id=receipt.id, claim_token=receipt.claim_token)
