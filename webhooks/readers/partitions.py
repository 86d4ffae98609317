"""List the partitions of a source in the other system, seek in them, and test the settings of a source."""

from itertools import islice

from django.db import transaction

from webhooks.models import Source, SourcePartition
from webhooks.sources.connections import connection_of
from webhooks.sources.kinds.kind import ENDED, Sample, SeekTarget
from webhooks.sources.kinds.registry import find_kind
from webhooks.sources.partitions import due_values, owner_of, reader_workers

LIST_EVERY = 60.0  # seconds between two lists of the partitions of a source
MAX_PARTITIONS = 10_000  # of one source


def list_partitions(source: Source) -> float:
    """Store the partitions that are new, remove those that have ended and are gone; return the seconds until the next.

    Raises SourceUnavailable.
    """
    stored = SourcePartition.objects.filter(source=source).exclude(name="")
    known = dict(stored.values_list("name", "position"))
    found = find_kind(source.kind).partitions(connection_of(source), known)
    rows = [
        SourcePartition(source=source, owner=owner_of(source), name=name, position=position)
        for name, position in islice(found.items(), MAX_PARTITIONS)
        if name not in known
    ]
    SourcePartition.objects.bulk_create(rows, ignore_conflicts=True)
    if gone := [name for name, position in known.items() if position == ENDED and name not in found]:
        stored.filter(name__in=gone).delete()
    return LIST_EVERY


def seek(source: Source, to: SeekTarget, *, partition: str | None = None) -> list[SourcePartition]:
    """Move where reading goes on, of one partition or of all; return their rows.

    Records that are read again are duplicates as long as their receipts are kept. Raises SourceUnavailable,
    InvalidSettings, and SourcePartition.DoesNotExist.
    """
    kind, connection = find_kind(source.kind), connection_of(source)
    if kind.is_partitioned:
        list_partitions(source)
    rows = SourcePartition.objects.filter(source=source).order_by("name")
    if kind.is_partitioned:
        rows = rows.exclude(name="")
    if partition is not None:
        rows = rows.filter(name=partition)
    found = list(rows)
    if not found:
        raise SourcePartition.DoesNotExist
    for row in found:
        row.position = kind.seek(connection, row.name, to)
    with transaction.atomic():
        for row in found:
            values = {"position": row.position, "lease_token": None, **due_values(source)}
            SourcePartition.objects.filter(pk=row.pk).update(**values)
    reader_workers.notify()
    return found


def test_source(source: Source) -> Sample:
    """Connect with the settings of a source, which need not be stored. Raises SourceUnavailable."""
    return find_kind(source.kind).test(connection_of(source))
