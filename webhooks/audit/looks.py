"""Decide who sees payloads in the admin, and record each look at one."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from webhooks.audit.entries import record
from webhooks.audit.models import AuditEntry
from webhooks.audit.requests import operation_of

HIDDEN = "Hidden: your role may not see payloads."


def may_see_payload(request: HttpRequest, row: Model) -> bool:
    """Return whether the user may see payloads of the row's app; if so, record that this one is shown."""
    user: Any = request.user
    if not user.has_perm(f"{row._meta.app_label}.view_payload"):
        return False
    shown: set[Any] = request.__dict__.setdefault("payloads_shown", set())  # a page may ask more than once
    if row.pk not in shown:
        shown.add(row.pk)
        operation = operation_of(request)
        operation.about(row)
        record(operation, AuditEntry.Action.VIEWED)
    return True
