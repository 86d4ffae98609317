"""Show the entries of the audit about one row as its history."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from webhooks.audit.entries import history_of
from webhooks.audit.lines import changes_of
from webhooks.audit.looks import hide_payload_values

SHOWN = 100  # the newest entries


def history_page(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Return the history of a row; of users without a view permission, 403."""
    row = model_admin.get_object(request, object_id)
    if row is None:
        raise Http404
    if not model_admin.has_view_or_change_permission(request, row):
        raise PermissionDenied
    found = list(history_of(row)[: SHOWN + 1])
    query = urlencode({"q": getattr(row, "public_id", str(row.pk))})
    all_entries = f"{reverse('admin:webhooks_auditentry_changelist')}?{query}"
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"History of {row}",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "original": row,
        "entries": [(entry, changes_of(hide_payload_values(request.user, entry))) for entry in found[:SHOWN]],
        "more": all_entries if len(found) > SHOWN else "",
    }
    return TemplateResponse(request, "webhooks/admin/history.html", context)
