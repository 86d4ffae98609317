"""Compare the objects of the archive with their rows, and find objects without a row."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import storages
from django.db.models import QuerySet

from delivery.archiving.hours import full_hour
from delivery.archiving.lines import read_lines
from delivery.archiving.storage import (
    ALIAS,
    ArchiveChanged,
    ArchiveDown,
    delete_object,
    folder_of,
    is_older,
    read_object,
)
from delivery.models import Archive
from webhooks.wire.ids import first_id_at

ORPHAN_AGE = timedelta(days=1)  # a younger object may get its row yet


def archives(
    tenant_id: UUID | None, *, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[Archive]:
    """Return the rows with hours that overlap the period, oldest hour first; of all tenants without one."""
    rows = Archive.objects.all() if tenant_id is None else Archive.objects.filter(tenant=tenant_id)
    if since is not None:
        rows = rows.filter(id__gte=first_id_at(full_hour(since)))
    if until is not None:
        rows = rows.filter(id__lt=first_id_at(until))
    return rows.order_by("id")


def fault_of(row: Archive) -> str:
    """Read an object and return what is wrong with it; empty: nothing is. Raises storage.ArchiveDown."""
    try:
        events = read_lines(read_object(row))
    except ArchiveChanged as error:
        return str(error)
    if len(events) != row.events:
        return f"{row.key} has {len(events)} events, and its row says {row.events}"
    return ""


def orphans(tenant_id: UUID) -> Iterator[str]:
    """Return the keys of a tenant's objects that have had no row for a day: a process died before it wrote the row.

    Raises storage.ArchiveDown.
    """
    return (key for key in without_row(tenant_id) if is_older(key, ORPHAN_AGE))


def without_row(tenant_id: UUID) -> Iterator[str]:
    """Return the keys of a tenant's objects that have no row now; a process may be about to write it.

    Raises storage.ArchiveDown.
    """
    return (key for key in _files(folder_of(tenant_id)) if not Archive.objects.filter(key=key).exists())


def remove_orphan(key: str) -> None:
    """Delete an object without a row. Raises storage.ArchiveDown."""
    delete_object(key)


def _files(folder: str) -> Iterator[str]:
    """Return the keys of the files in a folder and in those below it; nothing if there is no such folder."""
    try:
        folders, names = storages[ALIAS].listdir(folder)
    except FileNotFoundError:
        return
    except Exception as error:
        raise ArchiveDown(f"{folder} was not listed: {type(error).__name__}: {error}") from error
    yield from (f"{folder}/{name}" for name in names)
    for name in folders:
        yield from _files(f"{folder}/{name}")
