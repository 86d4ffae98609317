"""Write entries for what changes no audited row, and find entries."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet

from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.operation import Operation, current_operation


def record(operation: Operation, action: str, after: dict[str, Any] | None = None) -> AuditEntry:
    """Write the entry of an operation, about the object that it names."""
    return AuditEntry.objects.create(
        tenant_id=operation.tenant_id,
        actor_type=operation.actor_type,
        actor_id=operation.actor_id,
        actor_tenant_id=operation.actor_tenant_id,
        actor_name=operation.actor_name[:256],
        origin=operation.origin,
        operation=operation.name[:256],
        operation_id=operation.id,
        address=operation.address,
        request_id=operation.request_id,
        action=action,
        object_type=operation.object_type,
        object_key=operation.object_key,
        object_name=operation.object_name,
        after=after,
    )


def record_about(row: Model, note: object = None) -> None:
    """Write that the current operation was performed on a row, unless it has an entry about this row already.

    An entry of a trigger that says something else than the note does not count: the note is the result.
    """
    operation = current_operation()
    if operation is None:
        return
    operation.about(row)
    after = {"note": note} if isinstance(note, str) else None
    entries = AuditEntry.objects.filter(operation_id=operation.id, object_key=operation.object_key)
    written = entries.values_list("action", "after")
    if not any(action != AuditEntry.Action.PERFORMED or said == after for action, said in written):
        record(operation, AuditEntry.Action.PERFORMED, after)


def record_end(operation: Operation) -> None:
    """Write what an operation that has ended reports, and an entry of one by REST or portal that has none."""
    if operation.changed is not None:
        _record_report(operation, operation.changed, operation.unchanged)
    elif operation.origin != AuditEntry.Origin.ADMIN and not is_recorded(operation):  # a page may only lead to another
        record(operation, AuditEntry.Action.PERFORMED)


def _record_report(operation: Operation, changed: int, unchanged: int) -> None:
    """Write how many rows were changed, unless it was one, which has an entry."""
    operation.changed = None
    if (changed, unchanged) == (1, 0) and is_recorded(operation):
        return
    if changed + unchanged > 1:
        operation.about_none()
        operation.tenant_id = operation.actor_tenant_id  # the rows may be of several
    counts = {"changed": changed, "unchanged": unchanged}
    note = {"note": operation.note} if operation.note else {}
    record(operation, AuditEntry.Action.PERFORMED, {**note, **counts})


def does_change(run: Callable[[], object]) -> bool:
    """Run this part of the current operation; return whether it has changed a row that has entries."""
    operation = current_operation()
    if operation is None:
        run()
        return True
    entries = AuditEntry.objects.filter(operation_id=operation.id)
    before = entries.count()
    run()
    return entries.count() > before


def is_recorded(operation: Operation) -> bool:
    """Return whether a trigger has written an entry of this operation. Index: audit_by_operation."""
    return AuditEntry.objects.filter(operation_id=operation.id).exists()


def history_of(row: Model) -> QuerySet[AuditEntry]:
    """Return the entries about a row and its parts, newest first. Index: audit_by_object."""
    return AuditEntry.objects.filter(object_type=row._meta.model_name, object_key=str(row.pk)).order_by("-id")
