"""Show the index of the archive, and lead to the replay of archived events."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.admin.replaying.replay_page import MAY_REPLAY
from delivery.admin.time_filter import TimeRangeFilter
from delivery.archiving.storage import is_on
from delivery.models import Archive, ArchiveStatus, Replay
from subscriptions.models import Tenant
from webhooks.kit.admin.display import NOTHING, column, link, size, when
from webhooks.kit.admin.filters import RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.wire.ids import public

MAX_SHOWN_TYPES = 20


def _rewritten(row: Archive) -> SafeString | str:
    """Return when an erasure has last written the object anew, and which."""
    return format_html("{}, {}", when(row.rewritten_at), row.rewritten_by) if row.rewritten_at else NOTHING


@admin.register(Archive)
class ArchiveAdmin(AdminList):
    """Show archived hours."""

    empty_note = "Each hour of events is archived once, before its retention ends, if an archive is set up."
    list_display = ("public_id", "hour", "tenant_link", "event_count", "delivery_count", "size", "written")
    list_select_related = ("tenant",)
    list_filter = (("tenant", RelatedFilter), ("begins_at", TimeRangeFilter))
    fields = (
        ("public_id", "tenant_link"),
        ("hour", "written"),
        ("event_count", "delivery_count"),
        "type_list",
        "key",
        "digest",
        "rewritten",
    )
    readonly_fields = (
        *("public_id", "tenant_link", "hour", "written", "event_count", "delivery_count", "type_list", "key", "digest"),
        "rewritten",
    )
    list_before_template = "delivery/admin/archives_bar.html"

    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name))
    hour = column("Hour (UTC)", lambda row: f"{row.begins_at:%Y-%m-%d %H}:00")
    event_count = column("Events", lambda row: f"{row.events:,}")
    delivery_count = column("Deliveries", lambda row: f"{row.deliveries:,}")
    size = column("Size", lambda row: size(row.bytes))
    written = column("Written", lambda row: when(row.created_at))
    digest = column("SHA-256", lambda row: str(row.sha256))
    rewritten = column("Written anew (UTC)", _rewritten)
    type_list = column("Types", lambda row: _type_list(row.types))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            **(extra_context or {}),
            "has_archive": is_on(),
            "trouble": _trouble(ArchiveStatus.objects.first()),
            "replay_query": _replay_query(request) if request.user.has_perm(MAY_REPLAY) else "",
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response


def _trouble(status: ArchiveStatus | None) -> str:
    """Return why the archive is not written, and since when; empty if it is."""
    if status is None or status.failing_since is None:
        return ""
    text = format_html("The archive cannot be written since {}: {}.", when(status.failing_since), status.error)
    late = format_html(" The oldest events that wait were due {}.", when(status.due_since)) if status.due_since else ""
    return text + late


def _type_list(types: dict[str, int]) -> str:
    largest = sorted(types.items(), key=lambda it: (-it[1], it[0]))
    shown = ", ".join(f"{name} ({number:,})" for name, number in largest[:MAX_SHOWN_TYPES])
    return shown if len(largest) <= MAX_SHOWN_TYPES else f"{shown}, and {len(largest) - MAX_SHOWN_TYPES} more"


def _replay_query(request: HttpRequest) -> str:
    """Return the query of the page that replays the events of the list; empty if the list is not that of one tenant."""
    try:
        tenant = UUID(request.GET.get("tenant__id__exact", ""))
    except ValueError:
        return ""
    given = {name: str(text) for name, text in request.GET.items() if text}
    since, until = TimeRangeFilter.read(given, "begins_at")
    period = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    query = {"tenant": public(Tenant.prefix, tenant), "scope": Replay.Scope.ARCHIVED.value}
    return urlencode(query | {name: text for name, text in period.items() if text})
