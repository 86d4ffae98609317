"""Record each look at a payload: who has seen the data of a message, or the headers and bodies around it.

A look is a response or page that shows the payload of a message that was sent or received. A list that leaves payloads
out is none, nor is what goes to the receiver of a message: a delivery, or messages that it pulls. Every look of a
person has an entry of its own: users of the admin and of the portal, API keys with a role, and keys of the platform,
which see the payloads of all tenants. A tenant's own key without a role is counted (``key_looks``), unless
WAYPOST_AUDIT_EACH_LOOK is on.

The entry is written before the response is sent: no entry, no payload.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from webhooks.audit.entries import history_of, record
from webhooks.audit.key_looks import KeyLook, count_look
from webhooks.audit.models import AuditEntry
from webhooks.audit.payload_columns import hide_payload_columns
from webhooks.audit.requests import operation_of
from webhooks.kit.audit.operation import name_caller
from webhooks.kit.bodies.payloads import Look
from webhooks.wire.ids import first_id_at

HIDDEN = "Hidden: your role may not see payloads."
MAX_IDS = 1_000  # of a list, in its entry: more than a page has


def may_see_payload(request: HttpRequest, row: Model) -> bool:
    """Return whether the user may see payloads of the row's app; if so, record that this one is shown."""
    user: Any = request.user
    if not user.has_perm(f"{row._meta.app_label}.view_payload"):
        return False
    record_user_look(request, row)
    return True


def hide_payload_values(user: Any, entry: AuditEntry) -> AuditEntry:
    """Return an entry as this user of the admin may see it: without values that are payloads, if those are hidden."""
    return hide_payload_columns(entry, lambda app: bool(user.has_perm(f"{app}.view_payload")), HIDDEN)


def record_user_look(request: HttpRequest, row: Model) -> None:
    """Record that the payload of a row is shown by a page, which may ask more than once."""
    if _is_first(request, row):
        operation = operation_of(request)
        operation.about(row)
        record(operation, AuditEntry.Action.VIEWED)


def record_caller_look(request: HttpRequest, caller: Any, look: Look) -> None:
    """Record that an operation of the REST API shows payloads to its caller (``request.auth``)."""
    if not settings.WAYPOST_AUDIT_EACH_LOOK and is_own_key(caller):
        count_look(caller.key_id, KeyLook(caller.tenant_id, str(caller.label)[:256], look.object_type))
        return
    if look.row is not None and not _is_first(request, look.row):
        return
    operation = operation_of(request)
    if caller is not None:
        name_caller(operation, caller)
    if operation.actor_type == AuditEntry.Actor.PORTAL:
        operation.origin = AuditEntry.Origin.PORTAL
    if look.row is not None:
        operation.about(look.row)
    else:
        operation.object_type, operation.tenant_id = look.object_type, look.tenant_id or operation.tenant_id
    record(operation, AuditEntry.Action.VIEWED, {"ids": list(look.ids[:MAX_IDS])} if look.ids else None)


def record_open_look(request: HttpRequest, row: Model) -> None:
    """Record that a page which needs no sign-in shows payloads: one entry for each address, row and hour."""
    operation = operation_of(request)
    operation.origin = AuditEntry.Origin.PORTAL
    operation.about(row)
    since = first_id_at(timezone.now() - timedelta(hours=1))
    known = history_of(row).filter(id__gte=since, action=AuditEntry.Action.VIEWED, address=operation.address)
    if not known.filter(origin=AuditEntry.Origin.PORTAL).exists():
        record(operation, AuditEntry.Action.VIEWED)


def is_own_key(caller: Any) -> bool:
    """Return whether the caller is an API key of a tenant without a role: a program that reads what is its own."""
    if getattr(caller, "actor_type", "key") != AuditEntry.Actor.KEY or getattr(caller, "role", None) is not None:
        return False
    return getattr(caller, "tenant_id", None) is not None and getattr(caller, "key_id", None) is not None


def share_looks(outer: HttpRequest, inner: HttpRequest) -> None:
    """Have a page that calls the REST API within this process record each look once, however often it calls."""
    inner.__dict__["payloads_shown"] = _shown(outer)


def _is_first(request: HttpRequest, row: Model) -> bool:
    """Return whether this request has not shown the payload of the row before, and note that it does."""
    shown, key = _shown(request), (row._meta.label, row.pk)
    if key in shown:
        return False
    shown.add(key)
    return True


def _shown(request: HttpRequest) -> set[Any]:
    found: set[Any] = request.__dict__.setdefault("payloads_shown", set())
    return found
