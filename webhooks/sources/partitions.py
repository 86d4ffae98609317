"""Keep the partitions of a source in step with it: created with it, due unless it is paused, without a lease on change.

``webhooks.readers`` reads them.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from webhooks.kit.notify import TaskNotifier
from webhooks.models import Source, SourcePartition
from webhooks.sources.kinds.registry import HTTP, find_kind

reader_workers = TaskNotifier("webhooks.read_sources", "default", pause=0.02)


def begin_reading(source: Source) -> None:
    """Make a new source that is read due, in the caller's transaction; nothing for one that senders post to."""
    if source.kind != HTTP:
        SourcePartition.objects.create(source=source, owner=owner_of(source), **due_values(source))
        transaction.on_commit(reader_workers.notify)


def reconsider_reading(source: Source, former: Mapping[str, Any]) -> None:
    """Apply a change of a source to its partitions: a pause, a deletion, other settings (``former``: those before).

    A reader that is at work loses its lease. Positions are dropped if a setting has changed that names another place.
    """
    if source.kind == HTTP:
        return
    values: dict[str, Any] = {**due_values(source), "lease_token": None, "failures": 0}
    places = [it.name for it in find_kind(source.kind).settings if it.names_place]
    if any(former.get(name) != source.settings.get(name) for name in places):
        values["position"] = None
        SourcePartition.objects.filter(source=source).exclude(name="").delete()
    SourcePartition.objects.filter(source=source).update(**values)
    transaction.on_commit(reader_workers.notify)


def end_reading(tenant_id: UUID) -> None:
    """Make all partitions of a deleted tenant due once more, so that its kinds clean up; no reader keeps a lease."""
    rows = SourcePartition.objects.filter(owner=tenant_id)
    rows.update(next_read_at=Now(), lease_token=None)


def owner_of(source: Source) -> UUID:
    """Return whose turns the partitions of a source take: its tenant's, or its own if no tenant owns it."""
    return source.tenant_id or source.pk


def due_values(source: Source) -> dict[str, Any]:
    """Return when the partitions of a source are due: now, also to clean up after a deletion; never while paused."""
    is_due = source.paused_at is None or source.deleted_at is not None
    return {"next_read_at": Now() if is_due else None}
