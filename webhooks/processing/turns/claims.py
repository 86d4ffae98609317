"""Claim due receipts in turns: every source with due receipts gets a part of each claim, whatever others have due.

claim_group     receipts of sources that are not slow, which may share a transaction
claim_suspect   one receipt whose last claim ended without a result: it may have crashed its worker
claim_slow      one receipt of this slow source

A claim walks over the sources with pending receipts, in the order of their ids, from where the last one of this
process ended. Each step is one lookup in the index ``receipt_due``, so a backlog of a source costs nothing. Tenants
get equal parts of a claim, and so do the sources of a tenant. Within a source the receipt due longest is first; of an
order key the oldest pending one is claimed, with those that follow it without a gap, as far as the source's part of the
claim goes; the caller runs them in order and releases those behind one that was not finished.

Receipts that wait behind the oldest one of their key are due, too, and a key may have any number of them. So a claim
looks at the first MAX_LOOKED_AT due receipts of a source, and at the oldest one of each of their keys. If that is not
all that is due, it also looks at the oldest one of the next MAX_KEYS keys, from where the last claim of this process
ended: a backlog of one key costs no more than that, and keeps no other key waiting for long.

A suspect is claimed alone, so that a second crash affects no other receipt.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson

from webhooks.kit import sql
from webhooks.models import Receipt, Source
from webhooks.wire.ids import new_id

CLAIM_SECONDS = 60
"""Time until a crashed worker's receipt is due again. A handler may run longer: it has locked the row."""

MAX_VISITS = 250  # sources one claim walks over, some 10 us each
MAX_SOURCES = 64  # sources in one claim
MAX_SOURCES_PER_TENANT = 8  # in one claim, chosen at random
MAX_WALKS = 40  # claims without a due receipt before a caller ends its search

MAX_LOOKED_AT = 160  # due receipts of a source that one claim looks at: some more than a claim takes
MAX_KEYS = 40  # order keys of a source that one claim looks at, if more receipts are due
MAX_REMEMBERED = 100  # sources of which a process remembers the order key at which its last claim ended

HAS_PENDING = "EXISTS (SELECT FROM webhooks_receipt WHERE due_at IS NOT NULL)"
"""Readers: the schedule, and a worker before it claims. Index: receipt_due."""

_IS_FIRST_OF_ITS_ORDER_KEY = """
    (candidate.order_key = '' OR NOT EXISTS (
        SELECT FROM webhooks_receipt AS earlier
        WHERE earlier.source_id = candidate.source_id AND earlier.order_key = candidate.order_key
          AND earlier.order_key <> '' AND earlier.due_at IS NOT NULL AND earlier.id < candidate.id))
"""
_IS_SLOW = """
    EXISTS (SELECT FROM webhooks_slowsource AS slow WHERE slow.source_id = {} AND slow.until > statement_timestamp())
"""

_FIELDS = [field.attname for field in Receipt._meta.concrete_fields]
_COLUMNS = ", ".join(f"receipt.{field.column}" for field in Receipt._meta.concrete_fields)
# Reads ``chosen`` (source_id, part). Indexes: receipt_due, receipt_order_key.
_READY = """
    looked_at AS MATERIALIZED (
        SELECT chosen.source_id, due.id, due.order_key FROM chosen CROSS JOIN LATERAL (
            SELECT id, order_key FROM webhooks_receipt AS receipt
            WHERE receipt.source_id = chosen.source_id AND receipt.due_at <= statement_timestamp()
              AND receipt.claims {claims}
            ORDER BY receipt.due_at LIMIT %(looked_at)s
        ) AS due
    ), walked (source_id, order_key, number) AS (
        SELECT source_id, COALESCE(%(keys)s::jsonb ->> source_id::text, ''), 0 FROM looked_at
        GROUP BY source_id HAVING count(*) >= %(looked_at)s AND bool_or(order_key <> '')
      UNION ALL
        SELECT walked.source_id, next.order_key, walked.number + 1 FROM walked CROSS JOIN LATERAL (
            SELECT order_key FROM webhooks_receipt AS receipt
            WHERE receipt.source_id = walked.source_id AND receipt.order_key > walked.order_key
              AND receipt.order_key <> '' AND receipt.due_at IS NOT NULL
            ORDER BY receipt.source_id, receipt.order_key LIMIT 1
        ) AS next
        WHERE walked.number < %(max_keys)s
    ), oldest AS MATERIALIZED (
        SELECT key.source_id, first.id FROM (
            SELECT source_id, order_key FROM looked_at WHERE order_key <> ''
            UNION SELECT source_id, order_key FROM walked WHERE number > 0
        ) AS key CROSS JOIN LATERAL (
            SELECT id FROM webhooks_receipt AS receipt
            WHERE receipt.source_id = key.source_id AND receipt.order_key = key.order_key
              AND receipt.order_key <> '' AND receipt.due_at IS NOT NULL
            ORDER BY receipt.source_id, receipt.order_key, receipt.id LIMIT 1
        ) AS first
    ), head AS MATERIALIZED (
        SELECT locked.*, chosen.part FROM chosen CROSS JOIN LATERAL (
            SELECT id, source_id, order_key FROM webhooks_receipt AS candidate
            WHERE candidate.id = ANY(ARRAY(
                SELECT id FROM looked_at WHERE source_id = chosen.source_id AND order_key = ''
                UNION ALL SELECT id FROM oldest WHERE source_id = chosen.source_id
            )) AND candidate.due_at <= statement_timestamp() AND candidate.claims {claims}
            ORDER BY candidate.due_at LIMIT chosen.part
            FOR UPDATE SKIP LOCKED
        ) AS locked
        LIMIT %(limit)s
    ), ended_keys AS (
        SELECT jsonb_object_agg(source_id, CASE WHEN number < %(max_keys)s THEN '' ELSE order_key END) AS keys,
            bool_and(is_whole) AS is_whole
        FROM (
            SELECT DISTINCT ON (source_id) source_id, order_key, number,
                number < %(max_keys)s AND (%(keys)s::jsonb ->> source_id::text) IS NULL AS is_whole
            FROM walked ORDER BY source_id, number DESC
        ) AS last
    )
"""
_TAKE = f"""
    UPDATE webhooks_receipt AS receipt
    SET claim_token = %(token)s, claims = claims + 1,
        due_at = statement_timestamp() + make_interval(secs => %(seconds)s)
    FROM candidate WHERE receipt.id = candidate.id
    RETURNING {_COLUMNS}
"""  # noqa: S608 - the names are those of the model

_CLAIM_GROUP = f"""
    WITH RECURSIVE turn (place, source_id, is_second_round) AS (
        SELECT 0, %(after)s::uuid, false
      UNION ALL
        SELECT turn.place + 1, next.source_id, turn.is_second_round OR next.begins_again
        FROM turn CROSS JOIN LATERAL (
            (SELECT source_id, false AS begins_again FROM webhooks_receipt
             WHERE due_at IS NOT NULL AND source_id > turn.source_id ORDER BY source_id LIMIT 1)
            UNION ALL
            (SELECT source_id, true FROM webhooks_receipt
             WHERE due_at IS NOT NULL AND NOT turn.is_second_round ORDER BY source_id LIMIT 1)
            LIMIT 1
        ) AS next
        WHERE turn.place < %(visits)s
          AND (NOT (turn.is_second_round OR next.begins_again) OR next.source_id <= %(after)s::uuid)
    ), due AS (
        SELECT turn.place, turn.source_id, COALESCE(source.tenant_id, turn.source_id) AS tenant
        FROM turn LEFT JOIN webhooks_source AS source ON source.id = turn.source_id
        WHERE turn.place > 0 AND NOT {_IS_SLOW.format("turn.source_id")} AND EXISTS (
            SELECT FROM webhooks_receipt AS pending
            WHERE pending.source_id = turn.source_id AND pending.due_at <= statement_timestamp())
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY tenant ORDER BY random()) AS rank FROM due
    ), chosen AS MATERIALIZED (
        SELECT place, source_id, GREATEST(
            1, %(limit)s / count(*) FILTER (WHERE rank = 1) OVER () / count(*) OVER (PARTITION BY tenant)) AS part
        FROM (SELECT * FROM ranked WHERE rank <= %(per_tenant)s ORDER BY place LIMIT %(sources)s) AS first
    ), {_READY.format(claims="= 0").strip()}, keyed AS (
        SELECT id, source_id, order_key, part / count(*) OVER (PARTITION BY source_id) - 1 AS room FROM head
        WHERE order_key <> ''
    ), following AS MATERIALIZED (
        SELECT keyed.id AS head, later.id, row_number() OVER place AS number,
            bool_and(later.is_ready) OVER place AS is_ready
        FROM keyed CROSS JOIN LATERAL (
            SELECT id, due_at <= statement_timestamp() AND claims = 0 AS is_ready FROM webhooks_receipt AS receipt
            WHERE receipt.source_id = keyed.source_id AND receipt.order_key = keyed.order_key
              AND receipt.order_key <> '' AND receipt.due_at IS NOT NULL AND receipt.id > keyed.id
            ORDER BY receipt.id LIMIT keyed.room
        ) AS later
        WHERE keyed.room > 0
        WINDOW place AS (PARTITION BY keyed.id ORDER BY later.id)
    ), follower AS MATERIALIZED (
        SELECT id FROM webhooks_receipt AS receipt
        WHERE id = ANY(ARRAY(SELECT id FROM following WHERE is_ready)) AND due_at IS NOT NULL AND claim_token IS NULL
        FOR UPDATE SKIP LOCKED
    ), unbroken AS (
        SELECT id, number = count(*) OVER (PARTITION BY head ORDER BY number) AS is_unbroken
        FROM following JOIN follower USING (id)
    ), candidate AS MATERIALIZED (
        SELECT id FROM head UNION ALL SELECT id FROM unbroken WHERE is_unbroken
    ), receipt AS ({_TAKE}), ended AS (
        SELECT CASE WHEN (SELECT count(*) FROM chosen) < %(sources)s THEN (SELECT max(place) FROM turn)
            ELSE (SELECT max(place) FROM chosen) END AS place,
            (SELECT count(*) FROM chosen) < %(sources)s AND (SELECT max(place) FROM turn) < %(visits)s
            AND COALESCE((SELECT is_whole FROM ended_keys), true) AS is_whole
    ), walk AS (
        SELECT turn.source_id AS ended_at, ended.is_whole FROM ended JOIN turn USING (place)
    )
    SELECT walk.ended_at, walk.is_whole, (SELECT keys FROM ended_keys), {_COLUMNS}
    FROM walk LEFT JOIN receipt ON true
"""  # noqa: S608 - the names are those of the model

_CLAIM_ONE = f"""
    WITH candidate AS MATERIALIZED (
        SELECT id FROM webhooks_receipt AS candidate
        WHERE {{}} AND candidate.due_at <= statement_timestamp() AND {_IS_FIRST_OF_ITS_ORDER_KEY}
        ORDER BY candidate.due_at LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    {_TAKE}
"""  # noqa: S608 - the names are those of the model
_CLAIM_SUSPECT = _CLAIM_ONE.format(f"candidate.claims > 0 AND NOT {_IS_SLOW.format('candidate.source_id')}")
_CLAIM_SLOW = f"""
    WITH RECURSIVE chosen (source_id, part) AS (SELECT %(source)s::uuid, 1),
    {_READY.format(claims=">= 0").strip()},
    candidate AS MATERIALIZED (SELECT id FROM head), receipt AS ({_TAKE})
    SELECT (SELECT keys FROM ended_keys), {_COLUMNS} FROM (SELECT) AS one LEFT JOIN receipt ON true
"""  # noqa: S608 - the names are those of the model


@dataclass(slots=True)
class ClaimPosition:
    """The place in the order of sources where the last claim of this process ended, and in the order keys of each."""

    after: UUID
    keys: dict[str, str] = field(default_factory=dict)  # by source; none: it begins at the first key

    def end_at(self, keys: Any) -> None:
        """Note the order keys at which a claim ended; empty: behind the last one."""
        for source, key in (_parsed(keys) or {}).items():
            self.keys.pop(source, None)
            if key:
                self.keys[source] = key
        while len(self.keys) > MAX_REMEMBERED:
            del self.keys[next(iter(self.keys))]


_position = ClaimPosition(uuid4())  # at random, so that processes do not walk in step


def has_pending() -> bool:
    """Return whether any receipt is pending: one lookup, so that an idle worker costs no more."""
    return bool(sql.run(f"SELECT {HAS_PENDING}", [])[0][0])


def claim_group(limit: int, position: ClaimPosition = _position) -> list[Receipt]:
    """Claim up to ``limit`` receipts of sources that are not slow, in turns; oldest first within an order key."""
    for _ in range(MAX_WALKS):
        limits = {"visits": MAX_VISITS, "sources": min(MAX_SOURCES, limit), "per_tenant": MAX_SOURCES_PER_TENANT}
        values = {**_claim_values(), **_key_values(position), **limits, "after": position.after, "limit": limit}
        rows = sql.run(_CLAIM_GROUP, values)
        position.after = rows[0][0]
        position.end_at(rows[0][2])
        claimed = [row[3:] for row in rows if row[3] is not None]
        if claimed or rows[0][1]:
            return _receipts(claimed)
    return []


def claim_suspect() -> list[Receipt]:
    """Claim the suspect that is due longest: a list of one or none."""
    return _receipts(sql.run(_CLAIM_SUSPECT, _claim_values()))


def claim_slow(source_id: UUID, position: ClaimPosition = _position) -> list[Receipt]:
    """Claim the receipt of this source that is due longest: a list of one or none."""
    rows = sql.run(_CLAIM_SLOW, {**_claim_values(), **_key_values(position), "source": source_id, "limit": 1})
    position.end_at(rows[0][0])
    return _receipts([row[1:] for row in rows if row[1] is not None])


def _claim_values() -> dict[str, Any]:
    return {"token": new_id(), "seconds": CLAIM_SECONDS}


def _key_values(position: ClaimPosition) -> dict[str, Any]:
    return {"looked_at": MAX_LOOKED_AT, "max_keys": MAX_KEYS, "keys": orjson.dumps(position.keys).decode()}


def _receipts(rows: list[tuple[Any, ...]]) -> list[Receipt]:
    """Build the receipts with their sources, ordered so that transactions lock sequences in one order."""
    receipts = [Receipt.from_db("default", _FIELDS, row) for row in rows]
    sources = Source.objects.in_bulk({receipt.source_id for receipt in receipts})
    for receipt in receipts:
        receipt.source = sources[receipt.source_id]
        receipt.headers = _parsed(receipt.headers)
        receipt.handled_by = _parsed(receipt.handled_by)
    return sorted(receipts, key=lambda receipt: (receipt.source_id, receipt.order_key, receipt.id))


def _parsed(value: Any) -> Any:
    """Parse what the driver left as text."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value
