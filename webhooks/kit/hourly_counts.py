"""Count what happens at each source, hour by hour, so that nobody ever has to count a large table.

A process counts in memory, which costs a request nothing, and one thread writes what has gathered every ``PAUSE``
seconds, in one statement for all sources. What a process has not written when it is killed is not counted: these are
figures to look at. What is kept and what is owed stand in their own rows.
"""

import os
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import Error, connection

from webhooks import telemetry
from webhooks.wire.ids import new_id

KINDS = ("received", "duplicates", "rejected", "throttled", "processed", "handler_failures", "dead")
PAUSE = 5.0  # seconds
HOUR = 3600

Key = tuple[UUID, int, str]
"""A source, the hour's number since 1970, and what happened."""

_ADD = f"""
    INSERT INTO webhooks_sourcehour AS hour (id, source_id, starts_at, {", ".join(KINDS)})
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], {", ".join(["%s::bigint[]"] * len(KINDS))})
    ON CONFLICT (source_id, starts_at) DO UPDATE
    SET {", ".join(f"{kind} = hour.{kind} + EXCLUDED.{kind}" for kind in KINDS)}
"""  # noqa: S608 - the names are the constants above


class Tally:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._gathered = threading.Event()
        self._process = 0

    def add(self, source: UUID, kind: str) -> None:
        """One more of this kind. Returns at once."""
        if self._process != os.getpid():  # threads do not survive a fork
            self._begin()
        with self._lock:
            self._counts[(source, int(time.time()) // HOUR, kind)] += 1
        self._gathered.set()

    def write(self) -> None:
        """Write what has gathered. If the database does not take it, it is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with connection.cursor() as cursor:
                cursor.execute(_ADD, _columns(counts))
        except Error as error:
            telemetry.log_counts_not_written(error)
            with self._lock:
                self._counts.update(counts)

    def _begin(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._counts, self._gathered = Counter(), threading.Event()
            threading.Thread(target=self._watch, name="webhooks-tally", daemon=True).start()
            self._process = os.getpid()

    def _watch(self) -> None:
        while True:
            self._gathered.wait()
            self._gathered.clear()
            time.sleep(PAUSE)
            self.write()
            connection.close()


def _columns(counts: Counter[Key]) -> list[Any]:
    """One array per column, in one order in every process, so that two who write do not lock each other out."""
    hours = sorted({(source, hour) for source, hour, _ in counts})
    figures = [[counts[(source, hour, kind)] for source, hour in hours] for kind in KINDS]
    moments = [datetime.fromtimestamp(hour * HOUR, UTC) for _, hour in hours]
    return [[new_id() for _ in hours], [source for source, _ in hours], moments, *figures]


tally = Tally()


def count(source: UUID, kind: str) -> None:
    """One more of this kind at this source, in this hour."""
    tally.add(source, kind)
