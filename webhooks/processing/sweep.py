"""Delete what is past its retention: receipts with their objects, orphaned objects, rejections, statistics.

Each call does a bounded amount of work and is called again within a minute. Pending receipts are not touched; dead
ones are kept longer than processed ones, for replays. Expired claims need no sweep: their receipts are due again.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from webhooks import metrics, telemetry
from webhooks.kit.bodies.claim_check import FOLDER, created_at
from webhooks.models import (
    LatestSequence,
    Receipt,
    ReceiptReplay,
    Rejection,
    SlowSource,
    Source,
    SourceHour,
    SourceSecret,
)
from webhooks.wire.ids import first_id_at

PROCESSED_DAYS = 30  # duplicates are recognised for this long: longer than any sender retries
DEAD_DAYS = 90
REJECTION_DAYS = 30
SEQUENCE_DAYS = 30  # an unused sequence starts anew after this
STATS_DAYS = 90
MAX_REJECTIONS = 1000  # per source
ORPHAN_AGE = timedelta(days=1)  # no upload takes longer: see native_request.MIN_BYTES_PER_SECOND
BATCH = 1000  # rows or object names
MAX_BATCHES = 20  # of receipts per call
MAX_STATISTICS = 10_000  # rows per call

# Ids are UUIDv7, so "older than" is a range of the primary key.
_EXPIRE_PROCESSED = """
    DELETE FROM webhooks_receipt WHERE id = ANY(ARRAY(
        SELECT id FROM webhooks_receipt WHERE id < %s AND due_at IS NULL AND dead_at IS NULL
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    )) RETURNING body_key
"""
_EXPIRE_DEAD = """
    DELETE FROM webhooks_receipt WHERE id = ANY(ARRAY(
        SELECT id FROM webhooks_receipt WHERE dead_at < %s
        ORDER BY dead_at LIMIT %s FOR UPDATE SKIP LOCKED
    )) RETURNING body_key
"""
_TRIM = """
    DELETE FROM webhooks_rejection AS rejection
    USING webhooks_source AS source CROSS JOIN LATERAL (
        SELECT id FROM webhooks_rejection WHERE source_id = source.id ORDER BY id DESC OFFSET %s LIMIT 1
    ) AS newest_too_many
    WHERE rejection.source_id = source.id AND rejection.id <= newest_too_many.id
"""


def sweep() -> None:
    """Run each kind of deletion once."""
    now = timezone.now()
    delete_expired(_EXPIRE_PROCESSED, first_id_at(now - timedelta(days=PROCESSED_DAYS)))
    delete_expired(_EXPIRE_DEAD, now - timedelta(days=DEAD_DAYS))
    trim_rejections(now)
    delete_sources(now)
    delete_statistics(now)
    remove_orphans(now)


def delete_expired(statement: str, before: UUID | datetime) -> int:
    """Delete receipts, then their objects, so that a crash leaves orphaned objects and no row without its object."""
    count = 0
    for _ in range(MAX_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(statement, [before, BATCH])
            keys = [key for (key,) in cursor.fetchall()]
        for key in filter(None, keys):
            storages["claims"].delete(key)
        count += len(keys)
        if len(keys) < BATCH:
            break
    _count_removed("receipt", count)
    return count


def _count_removed(kind: str, count: int) -> None:
    metrics.count_removed(kind, count)
    telemetry.log_removed(kind, count)


def trim_rejections(now: datetime) -> None:
    """Delete rejections beyond the newest ``MAX_REJECTIONS`` of each source, and old ones."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIM, [MAX_REJECTIONS])
        count = cursor.rowcount
    old = Rejection.objects.filter(id__lt=first_id_at(now - timedelta(days=REJECTION_DAYS)))
    _count_removed("rejection", count + old.delete()[0])


def delete_sources(now: datetime) -> None:
    """Delete expired secrets at once, and deleted sources once they have no receipts."""
    SourceSecret.objects.filter(expires_at__lt=now).delete()
    gone = Source.objects.filter(deleted_at__lt=now - timedelta(days=PROCESSED_DAYS), receipts__isnull=True)
    _count_removed("source", gone.delete()[0])


def delete_statistics(now: datetime) -> None:
    """Delete unused high-water marks, sources that are slow no longer, old replays, and old hourly counts."""
    SlowSource.objects.filter(until__lt=now).delete()
    replays = ReceiptReplay.objects.filter(finished_at__lt=now - timedelta(days=DEAD_DAYS))
    _count_removed("replay", replays.delete()[0])
    marks = LatestSequence.objects.filter(updated_at__lt=now - timedelta(days=SEQUENCE_DAYS)).values_list(
        "id", flat=True
    )
    _count_removed("sequence", LatestSequence.objects.filter(id__in=list(marks[:MAX_STATISTICS])).delete()[0])
    hours = SourceHour.objects.filter(starts_at__lt=now - timedelta(days=STATS_DAYS)).values_list("id", flat=True)
    _count_removed("hour", SourceHour.objects.filter(id__in=list(hours[:MAX_STATISTICS])).delete()[0])


def remove_orphans(now: datetime) -> int:
    """Remove objects that no row names, one day's folder per minute, in turn."""
    days = sorted(_folders())
    if not days:
        return 0
    return remove_orphans_of(days[int(now.timestamp() // 60) % len(days)], now)


def remove_orphans_of(day: str, now: datetime) -> int:
    """Remove the orphans in one folder that are too old for an upload in progress."""
    storage = storages["claims"]
    _, files = storage.listdir(f"{FOLDER}/{day}")
    count = 0
    for names in _batches(f"{FOLDER}/{day}/{file}" for file in files):
        old = {name for name in names if _is_old(name, now)}
        named = Receipt.objects.filter(body_key__in=old).values_list("body_key", flat=True)
        orphans = old.difference(named)
        for name in orphans:
            storage.delete(name)
        count += len(orphans)
    _count_removed("orphan", count)
    return count


def _folders() -> list[str]:
    try:
        return storages["claims"].listdir(FOLDER)[0]
    except FileNotFoundError:  # no body has been stored yet
        return []


def _is_old(name: str, now: datetime) -> bool:
    try:
        return created_at(name) < now - ORPHAN_AGE
    except ValueError:  # not an object of the receiver
        return False


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, BATCH)):
        yield batch
