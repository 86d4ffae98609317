"""Count what happens at each source, hour by hour: see ``webhooks.kit.hourly_counts``."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from webhooks.kit.hourly_counts import HourlyCounts
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
