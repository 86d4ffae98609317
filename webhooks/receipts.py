"""The statements that move a receipt through its life, each guarded, on the database's clock.

insert            a message becomes a receipt, or is recognised as one that is there; due if somebody handles it
claim             due receipts become this worker's: a token, and due again when the claim runs out
hold              the claimed row is locked for the transaction its handlers run in
finish put_off bury release   only where the token still holds
revive            dead or processed receipts are due again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection
from django.db.models import F, Q, QuerySet, prefetch_related_objects
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from webhooks.claimcheck import Ticket
from webhooks.models import Receipt, Source
from webhooks.protocol.ids import new_id
from webhooks.reading import Labels
from webhooks.together import Together

CLAIM_SECONDS = 60
"""A worker that dies owes its receipt again after this. A handler may take longer: it holds the row's lock."""

# Whether the source names handlers is asked of its row, not of a picture of it: whoever has added one and then has a
# message sent finds it handled. Where nothing handles it and nothing is to be put in order, nothing is owed.
_INSERT = """
    INSERT INTO webhooks_receipt
        (id, source_id, message_id, event_type, order_key, content_type, headers, body, body_key, size, sha256,
         secret_id, due_at, processed_at, handled_by)
    SELECT id, source_id, message_id, event_type, order_key, content_type, headers, body, body_key, size, sha256,
        secret_id, CASE WHEN owed THEN statement_timestamp() END, CASE WHEN NOT owed THEN statement_timestamp() END,
        CASE WHEN NOT owed THEN '[]'::jsonb END
    FROM (
        SELECT *, handled OR COALESCE((
            SELECT handlers <> '[]' OR sequence_at <> '' FROM webhooks_source WHERE id = message.source_id
        ), true) AS owed
        FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[],
            %s::bytea[], %s::text[], %s::bigint[], %s::text[], %s::uuid[], %s::boolean[])
            AS message (id, source_id, message_id, event_type, order_key, content_type, headers, body, body_key, size,
                sha256, secret_id, handled)
    ) AS judged
    ON CONFLICT (source_id, message_id) DO NOTHING
    RETURNING id, due_at IS NOT NULL
"""

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

AT_REST = Q(due_at__isnull=True)
"""Nothing is owed: its handlers are done, or have been given up."""

_PUT_OFF = """
    UPDATE webhooks_receipt
    SET claim_token = NULL, claims = 0, attempts = attempts + %s, last_error = %s,
        due_at = statement_timestamp() + make_interval(secs => %s)
    WHERE id = %s AND claim_token = %s
"""


@dataclass(frozen=True, slots=True)
class Message:
    """A verified message on its way into a row."""

    id: UUID
    source_id: UUID
    labels: Labels
    content_type: str
    headers: dict[str, str]
    ticket: Ticket
    secret_id: UUID | None = None
    """The source's secret it was signed with, if it was one."""
    handled: bool = True
    """Something works on its source, whatever the source's row says of handlers."""


class Entry(Enum):
    """What became of a message that was to be kept."""

    OWED = "kept, and its handlers are owed a run"
    AT_REST = "kept, and nobody handles it"
    REPEAT = "its id is there already"


def insert(message: Message) -> Entry:
    """Keep a message, or find that one with its id is there. Committed when this returns, together with others that
    come at the same time; within a transaction of the caller's it is written in that one, alone."""
    if connection.in_atomic_block:
        return insert_many([message])[0]
    return _keeping.add(message)


def insert_many(messages: Sequence[Message]) -> list[Entry]:
    """Keep messages by one statement, and say what became of each. Of twins among them the first is kept.

    In the order of their keys, so that two processes that are given the same messages wait for each other and never
    in a circle. On Django's connection, but by a prepared statement with binary parameters: half the cost of
    Django's cursor, which writes the body into the text of the statement and asks whether the server is there."""
    ordered = sorted(messages, key=lambda message: (message.source_id, message.labels.message_id))
    columns = [list(column) for column in zip(*map(_values, ordered), strict=True)]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_INSERT, columns, prepare=True, binary=True)
        new = {id: Entry.OWED if is_owed else Entry.AT_REST for id, is_owed in cursor.fetchall()}
    return [new.get(message.id, Entry.REPEAT) for message in messages]


def _values(message: Message) -> tuple[Any, ...]:
    labels, ticket = message.labels, message.ticket
    return (
        *(message.id, message.source_id, labels.message_id, labels.event_type, labels.order_key),
        *(message.content_type, Jsonb(message.headers, dumps=orjson.dumps)),
        *(ticket.body, ticket.key, ticket.size, ticket.sha256, message.secret_id, message.handled),
    )


_keeping: Together[Message, Entry] = Together(insert_many)


def find(source_id: UUID, message_id: str) -> Receipt | None:
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


def hold(receipt: Receipt) -> bool:
    """Lock the row until the transaction ends; False if the claim is no longer ours."""
    return _ours(receipt).select_for_update(of=("self",)).values("id").first() is not None


def finish(receipt: Receipt, handled_by: Sequence[str], *, out_of_order: bool = False, skipped: bool = False) -> None:
    """Every handler has done its work; or, ``skipped``, none had to."""
    _ours(receipt).update(
        **_LAID_TO_REST,
        processed_at=Now(),
        handled_by=list(handled_by),
        attempts=receipt.attempts + 1,
        last_error="",
        out_of_order=out_of_order,
        skipped=skipped,
    )


def put_off(receipt: Receipt, seconds: float, error: str, *, attempts: int) -> None:
    """Due again in so many seconds, having cost so many attempts (0 or 1)."""
    with connection.cursor() as cursor:
        cursor.execute(_PUT_OFF, [attempts, error, seconds, receipt.id, receipt.claim_token])


def bury(receipt: Receipt, cause: str, error: str, *, attempts: int) -> None:
    """Nobody will try it again of their own accord."""
    _ours(receipt).update(
        **_LAID_TO_REST, dead_at=Now(), cause=cause, last_error=error, attempts=receipt.attempts + attempts
    )


def revive(ids: Sequence[UUID]) -> int:
    """Make those of these that are at rest due again, as if they had just come. Returns how many were."""
    return Receipt.objects.filter(AT_REST, id__in=ids).update(
        due_at=Now(), claims=0, attempts=0, dead_at=None, cause="", processed_at=None, skipped=False
    )


def called(message_id: str) -> Q:
    """The condition of having this message id, at whatever source: one look into the unique index for each."""
    return Q(source__in=Source.objects.values("id"), message_id=message_id.replace("\0", ""))


def of_type(event_type: str) -> Q:
    """The condition of having this type, at whatever source: one look into the index for each."""
    return Q(source__in=Source.objects.values("id"), event_type=event_type.replace("\0", ""))


def first_id_of(moment: datetime) -> UUID:
    """The least UUIDv7 of this millisecond (RFC 9562, 5.7), or the nearest there is."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


_LAID_TO_REST: dict[str, Any] = {"due_at": None, "claim_token": None, "claims": 0}


def _ours(receipt: Receipt) -> QuerySet[Receipt]:
    return Receipt.objects.filter(id=receipt.id, claim_token=receipt.claim_token)
