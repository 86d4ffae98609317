"""Write entries for what changes no audited row, and find entries."""

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
    """Write that the current operation was performed on a row, unless it has an entry about this row already."""
    operation = current_operation()
    if operation is None:
        return
    operation.about(row)
    written = AuditEntry.objects.filter(operation_id=operation.id, object_key=operation.object_key)
    if not written.exists():
        record(operation, AuditEntry.Action.PERFORMED, {"note": note} if isinstance(note, str) else None)


def is_recorded(operation: Operation) -> bool:
    """Return whether a trigger has written an entry of this operation. Index: audit_by_operation."""
    return AuditEntry.objects.filter(operation_id=operation.id).exists()


def history_of(row: Model) -> QuerySet[AuditEntry]:
    """Return the entries about a row and its parts, newest first. Index: audit_by_object."""
    return AuditEntry.objects.filter(object_type=row._meta.model_name, object_key=str(row.pk)).order_by("-id")
