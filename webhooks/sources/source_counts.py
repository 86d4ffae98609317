"""Count what happens at each source, hour by hour: see ``webhooks.kit.hourly_counts``.

Requests and handler runs are counted in memory, which costs them no statement. A reader commits up to hundreds of
records at once, and counts them in that transaction: no kill of its process loses or doubles them.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from webhooks.kit.hourly_counts import HOUR, HourlyCounts
from webhooks.wire.ids import new_id

KINDS = (
    "received",
    "duplicates",
    "conflicts",
    "rejected",
    "throttled",
    "processed",
    "unhandled",
    "handler_failures",
    "dead",
)

# Reader: the statistics of a source. Index: the unique (source, starts_at).
_ADD = f"""
    INSERT INTO webhooks_sourcehour AS hour (id, source_id, starts_at, {", ".join(KINDS)})
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], {", ".join(["%s::bigint[]"] * len(KINDS))})
    ON CONFLICT (source_id, starts_at) DO UPDATE
    SET {", ".join(f"{kind} = hour.{kind} + EXCLUDED.{kind}" for kind in KINDS)}
"""  # noqa: S608 - the names are the constants above


class KindCounts:
    """Count by kind (see KINDS)."""

    def __init__(self) -> None:
        self.by_kind: Counter[str] = Counter()

    def add(self, kind: str) -> None:
        """Count one more of this kind."""
        self.by_kind[kind] += 1

    def merge(self, other: "KindCounts") -> None:
        """Add other counts."""
        self.by_kind.update(other.by_kind)


def upsert(rows: Sequence[tuple[UUID, datetime, KindCounts]]) -> None:
    """Add these counts to the rows of their sources and hours."""
    keys: list[list[Any]] = [[new_id() for _ in rows], [source for source, _, _ in rows], [hour for _, hour, _ in rows]]
    kinds: list[list[Any]] = [[counts.by_kind[kind] for _, _, counts in rows] for kind in KINDS]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [*keys, *kinds])


source_counts = HourlyCounts(KindCounts, upsert, thread_name="source-counts")


def count(source: UUID, kind: str) -> None:
    """Count one more of this kind at this source, in this hour. Returns at once."""
    source_counts.add(source, kind, time.time())


def count_committed(source: UUID, numbers: Mapping[str, int]) -> None:
    """Add numbers by kind to this hour of a source, in the caller's transaction, which commits what is counted.

    Call it last: it locks the row of the hour until the transaction ends.
    """
    counts = KindCounts()
    counts.by_kind.update({kind: number for kind, number in numbers.items() if number})
    if counts.by_kind:
        hour = int(time.time()) // HOUR * HOUR
        upsert([(source, datetime.fromtimestamp(hour, UTC), counts)])
