"""List the partitions of a source in the other system, and seek in them."""

from collections.abc import Mapping
from itertools import islice

from django.db import transaction

from webhooks.models import Source, SourcePartition
from webhooks.readers.other_systems import ask
from webhooks.sources.connections import connection_of
from webhooks.sources.kinds.kind import ENDED, Position, SeekTarget
from webhooks.sources.kinds.registry import find_kind
from webhooks.sources.partitions import due_values, owner_of, reader_workers

LIST_EVERY = 60.0  # seconds between two lists of the partitions of a source
MAX_PARTITIONS = 10_000  # of one source
SEEK_SECONDS = 20.0  # for the positions of all partitions


def list_partitions(source: Source) -> float:
    """Store the partitions that are new, remove those that have ended and are gone; return the seconds until the next.

    Raises SourceUnavailable.
    """
    known = _known_partitions(source)
    _store_partitions(source, known, find_kind(source.kind).partitions(connection_of(source), known))
    return LIST_EVERY


def _known_partitions(source: Source) -> dict[str, Position]:
    return dict(SourcePartition.objects.filter(source=source).exclude(name="").values_list("name", "position"))


def _store_partitions(source: Source, known: Mapping[str, Position], found: Mapping[str, Position]) -> None:
    rows = [
        SourcePartition(source=source, owner=owner_of(source), name=name, position=position)
        for name, position in islice(found.items(), MAX_PARTITIONS)
        if name not in known
    ]
    SourcePartition.objects.bulk_create(rows, ignore_conflicts=True)
    if gone := [name for name, position in known.items() if position == ENDED and name not in found]:
        SourcePartition.objects.filter(source=source, name__in=gone).delete()


def seek(source: Source, to: SeekTarget, *, partition: str | None = None) -> list[SourcePartition]:
    """Move where reading goes on, of one partition or of all; return their rows.

    Records that are read again are duplicates as long as their receipts are kept. Called outside a transaction.
    Raises SourceUnavailable, InvalidSettings, LimitReached, and SourcePartition.DoesNotExist.
    """
    kind, connection = find_kind(source.kind), connection_of(source)
    if kind.is_partitioned:
        known = _known_partitions(source)
        names = ask(lambda: kind.partitions(connection, known), connection.share, seconds=SEEK_SECONDS)
        _store_partitions(source, known, names)
    rows = SourcePartition.objects.filter(source=source).order_by("name")
    if kind.is_partitioned:
        rows = rows.exclude(name="")
    if partition is not None:
        rows = rows.filter(name=partition)
    found = list(rows)
    if not found:
        raise SourcePartition.DoesNotExist
    positions = ask(
        lambda: {row.name: kind.seek(connection, row.name, to) for row in found}, connection.share, seconds=SEEK_SECONDS
    )
    with transaction.atomic():
        for row in found:
            row.position = positions[row.name]
            values = {"position": row.position, "lease_token": None, **due_values(source)}
            SourcePartition.objects.filter(pk=row.pk).update(**values)
    reader_workers.notify()
    return found
