"""Erase what there is about a subject in the archive, one object after another, as part of an erasure.

An object is never changed. The steps of one that contains the subject, each of which may be a process's last:

    1. read it, and write it without the data under another key                    no transaction, no lock
    2. lock its row; erase what replays have restored from it; let the row name the new object; commit
    3. delete the old object

Once all are searched, objects without a row that contain the subject are deleted: one that step 3 was not reached for,
or one that was written for the archive just before the tables were erased. So are those that this erasure has written
in vain: step 2 does nothing if another erasure came first, and such an object has the other subject in it still. One
that was written some minutes ago may get its row yet, and is waited for. Only then the erasure has finished. While the
storage is away it waits, and says why.

Events in the archive of other tenants are part of it as in the tables: copies that a grant made, and the invocation
records of deliveries of both, also those of the platform's own tenant.
"""

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db.models import QuerySet
from django.utils import timezone
from zstandard import ZstdError

from delivery import telemetry
from delivery.archiving import storage, verify
from delivery.archiving.lines import erase_line, read_lines
from delivery.archiving.storage import ArchiveChanged, ArchiveDown, ArchiveMissing
from delivery.lifecycle.erase import erase, erase_receipts, without_data
from delivery.models import Archive, Erasure, Event
from delivery.operational.operational_events import SOURCE
from delivery.sql.archiving.rows import ArchivedEvent
from subscriptions.models import Grant, Tenant
from webhooks.kit.jobs.sliced_jobs import RUNNING, SliceResult
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import public, urn

WRITING = timedelta(minutes=10)  # from when an object is written until it has its row, at most
AWAY = "Waits for the archive: its storage cannot be reached, read or written now."
CHANGED = "Waits for the archive: an object is not what was written. An operator has to restore it."
UNSETTLED = "Waits for the archive: an object was written some minutes ago, and is either used or deleted soon."


class _Unsettled(ArchiveDown):
    """An object without a row may get it yet."""


class ErasedObject(NamedTuple):
    """An object that was searched: its key, and what was written in its place.

    ``content`` and ``new_key``: the new object; empty, like ``events`` (those that it no longer has the data of), if it
    does not contain the subject or is missing.
    """

    key: str
    events: Sequence[ArchivedEvent] = ()
    content: bytes = b""
    new_key: str = ""
    is_missing: bool = False


class _Prepared(threading.local):
    """Hold what this thread has prepared for the next slice of an erasure. No object: all are searched."""

    erasure: UUID | None = None
    found: ErasedObject | None = None


_prepared = _Prepared()


def count(tenant_id: UUID) -> int:
    """Return how many objects an erasure of this tenant searches now."""
    return _archives(tenant_id).count()


def prepare(row: Erasure) -> bool:
    """Read and write what the next slice needs, unless this thread has it; return whether a slice can run.

    Why it cannot is in the row then.
    """
    archive = _next(row)
    if _prepared.erasure == row.id and (_prepared.found and _prepared.found.key) == (archive and archive.key):
        return True
    _delete_unused(row)
    try:
        if archive is None:
            _delete_leftovers(row)
        found = None if archive is None else _rewrite(row, archive)
    except (ArchiveDown, ArchiveChanged, ValueError) as error:
        _wait(row, error)
        return False
    _prepared.erasure, _prepared.found = row.id, found
    return True


def run_slice(row: Erasure) -> SliceResult:
    """Erase in the object that is prepared, or finish the erasure. Call in a transaction that has locked the row."""
    archive, found = _next(row), _prepared.found
    if archive is not None:
        archive = Archive.objects.select_for_update().filter(id=archive.id).first()
    if _prepared.erasure != row.id or (found and found.key) != (archive and archive.key):
        return SliceResult(0, has_more=True)  # another process has come further, or written the object anew
    _prepared.erasure, row.last_error = None, ""
    if archive is None or found is None:
        row.subject = ""
        return SliceResult(0, has_more=False)
    row.archive_cursor = archive.id
    row.archives_searched += 1
    row.archives_missing += found.is_missing
    if not found.events:
        return SliceResult(1, has_more=True)
    row.archives_rewritten += 1
    row.erased_in_archive += len(found.events)
    row.receipts += erase_receipts(row.tenant_id, found.events)
    _point_to_new(row, archive, found)
    _erase_in_tables(row, [it.id for it in found.events])
    return SliceResult(len(found.events), has_more=True, after_commit=partial(_delete_old, found.key))


def by_whom(row: Erasure) -> str:
    """Return what an erased event says about who has erased it."""
    return f"{row.public_id} by {row.requested_by}"


def _owners(tenant_id: UUID) -> list[UUID]:
    """Return the tenants that may have copies and records of the tenant's events: it is the first."""
    grantees = Grant.objects.filter(tenant=tenant_id).values_list("grantee", flat=True)
    platform = Tenant.objects.filter(is_platform=True).values_list("id", flat=True)
    return list(dict.fromkeys([tenant_id, *grantees, *platform]))


def _archives(tenant_id: UUID) -> QuerySet[Archive]:
    return Archive.objects.filter(tenant__in=_owners(tenant_id)).order_by("id")


def _next(row: Erasure) -> Archive | None:
    """Return the first object that is not searched yet. Index: archive_by_tenant."""
    rows = _archives(row.tenant_id).filter(begins_at__lte=row.until_at)
    return (rows if row.archive_cursor is None else rows.filter(id__gt=row.archive_cursor)).first()


def _rewrite(row: Erasure, archive: Archive) -> ErasedObject:
    """Search an object, and write it anew if it contains the subject. Raises ArchiveDown and ArchiveChanged."""
    try:
        content = storage.read_object(archive)
    except ArchiveMissing:
        if storage.is_empty():
            raise ArchiveDown("nothing is in the storage of the archive: is it the right one?") from None
        return ErasedObject(archive.key, is_missing=True)
    about = _About(row, archive.tenant_id)
    lines = list(zip(content.splitlines(), read_lines(content), strict=True))
    events = [event for _, event in lines if about.contains(event)]
    if not events:
        return ErasedObject(archive.key)
    written = b"".join(about.erased(line, event) if about.contains(event) else line + b"\n" for line, event in lines)
    compressed = storage.compress(written)
    key = storage.write_object(archive.tenant_id, archive.begins_at, compressed)
    return ErasedObject(archive.key, events, compressed, key)


class _About:
    """Recognise the events of an erasure in the archive of a tenant, and erase their lines."""

    def __init__(self, row: Erasure, owner: UUID) -> None:
        self.row, self.is_own = row, owner == row.tenant_id
        self.texts = (row.subject, row.subject_hash)
        self.grants = frozenset(Grant.objects.filter(tenant=row.tenant_id).values_list("id", flat=True))
        self.sources = tuple(f"{urn(Grant.prefix, it)}:" for it in self.grants)
        self.tenant = public(Tenant.prefix, row.tenant_id)

    def contains(self, event: ArchivedEvent) -> bool:
        """Return whether an event is about the subject, or repeats one that is, and is not erased."""
        if event.created_at > self.row.until_at:
            return False
        if event.subject in self.texts and (self.is_own or event.grant_id in self.grants):
            return event.payload_deleted_at is None or event.subject == self.row.subject
        is_record = event.about is not None and event.source == SOURCE
        return is_record and event.payload_deleted_at is None and self._repeats(bytes(event.body))

    def has_erased(self, event: ArchivedEvent) -> bool:
        """Return whether this erasure has written the event's line."""
        return event.payload_deleted_by == by_whom(self.row)

    def _repeats(self, body: bytes) -> bool:
        """Return whether the body of an invocation record repeats an event of the subject."""
        data = orjson.loads(body).get("data")
        original = data.get("original") if isinstance(data, dict) else None
        if not isinstance(original, dict) or original.get("subject") not in self.texts:
            return False
        if "tenant" not in data and self.is_own:  # those of the platform's own tenant name the tenant they are about
            return True
        return data.get("tenant") == self.tenant or str(data.get("event_source")).startswith(self.sources)

    def erased(self, line: bytes, event: ArchivedEvent) -> bytes:
        """Return the line of an event without its data. The same each time, as the key of an object has its digest."""
        kept = without_data(bytes(event.body), (self.row.subject, self.row.subject_hash))
        subject = self.row.subject_hash if event.subject == self.row.subject else event.subject
        return erase_line(line, write_structured(kept), subject, self.row.until_at, by_whom(self.row))


def _point_to_new(row: Erasure, archive: Archive, found: ErasedObject) -> None:
    archive.key, archive.bytes, archive.sha256 = found.new_key, len(found.content), storage.digest_of(found.content)
    archive.rewritten_at, archive.rewritten_by = timezone.now(), row.public_id
    archive.save(update_fields=["key", "bytes", "sha256", "rewritten_at", "rewritten_by"])


def _erase_in_tables(row: Erasure, ids: Sequence[UUID]) -> None:
    """Erase archived events that a replay has restored, and what the tables have that repeats them."""
    for events in (Event.objects.filter(id__in=ids), Event.objects.filter(about__in=ids)):
        for event in events.order_by("id"):
            erase(event, by_whom(row), replaced=(row.subject, row.subject_hash))


def _delete_old(key: str) -> None:
    """Delete an object that has been written anew; if that fails, it is one of the leftovers."""
    try:
        storage.delete_object(key)
    except ArchiveDown as error:
        telemetry.archive_down(error)


def _delete_unused(row: Erasure) -> None:
    """Delete the object that this thread has written for an erasure if what it was made of is not the current one."""
    found = _prepared.found if _prepared.erasure == row.id else None
    if found and found.new_key and not Archive.objects.filter(key__in=[found.key, found.new_key]).exists():
        _delete_old(found.new_key)


def _delete_leftovers(row: Erasure) -> None:
    """Delete the objects without a row that contain the subject, or that this erasure has written.

    Raises ArchiveDown.
    """
    if not storage.is_on():
        return
    for owner in _owners(row.tenant_id):
        about = _About(row, owner)
        for key in verify.without_row(owner):
            if _is_leftover(key, about):
                if not storage.is_older(key, WRITING):
                    raise _Unsettled(f"{key} has no row yet; it is looked at again")
                storage.delete_object(key)


def _is_leftover(key: str, about: _About) -> bool:
    """Return whether an object without a row is a leftover: with the subject, of the erasure, or a part of one."""
    try:
        events = read_lines(storage.decompress(storage.read_file(key)))
    except FileNotFoundError:
        return False  # another process has deleted it
    except (ZstdError, ValueError):
        return True
    return any(about.contains(it) or about.has_erased(it) for it in events)


def _wait(row: Erasure, error: Exception) -> None:
    """Say in the row why it waits, in words that name no storage and no other tenant, and log the error once."""
    text = UNSETTLED if isinstance(error, _Unsettled) else AWAY if isinstance(error, ArchiveDown) else CHANGED
    rows = Erasure.objects.filter(id=row.id, state=RUNNING).exclude(last_error=text)
    if rows.update(last_error=text):
        telemetry.erasure_waits(row.id, error)
