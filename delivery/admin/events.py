"""Show published events with their payload and deliveries, and why endpoints without a delivery got none."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from delivery.admin.display import payload, trace_link
from delivery.admin.finding.find_page import SEES_PAYLOADS, FindPage
from delivery.admin.replaying.replay_events import ReplayEventsPage, query_from_filters
from delivery.admin.replaying.replay_page import MAY_REPLAY
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import Delivery, Event, Replay
from delivery.reading.explain import endpoints_for, explain
from delivery.reading.finding.events import find_events
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.display import column, link, may, when
from webhooks.kit.admin.filters import RelatedFilter
from webhooks.kit.admin.lists import AdminList

MAX_SHOWN_DELIVERIES = 200  # deliveries on an event's page; the list of deliveries shows all
MAX_EXPLAINED_ENDPOINTS = 50  # endpoints on an event's page that have no delivery of it; the REST API explains all


@admin.register(Event)
class EventAdmin(AdminList):
    """Show events and replay selected ones."""

    empty_note = "Events appear here when a backend publishes them to POST /api/v1/events/."
    list_display = ("public_id", "type", "subject", "source", "cloudevent_id", "tenant_link", "published")
    list_select_related = ("tenant",)
    sortable_by = ("published",)
    search_help_text = "Search by any ID, type (or order.*), subject, or indexed value"
    list_filter = (("tenant", RelatedFilter), ("created_at", TimeRangeFilter))
    fields = (("public_id", "type"), ("cloudevent_id", "source"), ("subject", "tenant_link"), ("published", "trace"))
    readonly_fields = ("public_id", "type", "cloudevent_id", "source", "subject", "tenant_link", "published", "trace")
    change_form_outer_before_template = "delivery/admin/operations_bar.html"
    change_form_after_template = "delivery/admin/event.html"
    list_before_template = "delivery/admin/replay_events_bar.html"
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        rows: QuerySet[Event] = super().get_queryset(request)
        return rows.select_related("tenant").defer("body", "original", "digest")

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        return rows.filter(id__in=find_events(term, by_value=may(SEES_PAYLOADS)))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_REPLAY))

    @admin.action(description="Send selected again", permissions=["replay"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponse:
        """Redirect to the replay page of the selected events, which rejects events of several tenants."""
        return redirect(_replay_path(list(queryset[: self.list_per_page])))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(ReplayEventsPage(self).view)
        find = self.admin_site.admin_view(FindPage(self).view)
        return [
            path("replay/", page, name="delivery_event_replay"),
            path("find/", find, name="delivery_event_find"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = dict(extra_context or {})
        if self.has_replay_permission(request):
            context["replay_query"] = query_from_filters(request.GET)
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        event = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if event is not None and self.has_view_permission(request, event):
            deliveries = (
                Delivery.objects.filter(event=event)
                .select_related("endpoint__http", "endpoint__destination")
                .defer("body")
            )
            without_delivery = endpoints_for(event).exclude(id__in=deliveries.values("endpoint_id")).order_by("-id")
            sees = may_see_payload(request, event)
            context |= {
                "payload": payload(event.body) if sees else HIDDEN,
                "shows_values": sees,
                "deliveries": deliveries.order_by("id")[:MAX_SHOWN_DELIVERIES],
                "not_sent": explain(event, list(without_delivery[:MAX_EXPLAINED_ENDPOINTS])),
                "max_not_sent": MAX_EXPLAINED_ENDPOINTS,
            }
            if self.has_replay_permission(request) and event.payload_deleted_at is None:
                context["operations"] = [("Send again…", _replay_path([event]))]
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    cloudevent_id = column("CloudEvent ID", lambda event: event.event_id)
    tenant_link = column("Tenant", lambda event: link(event.tenant, event.tenant.name))
    published = column("Published", lambda event: when(event.created_at), order="id")
    trace = column("Trace", trace_link)


def _replay_path(events: list[Event]) -> str:
    """Return the path of the page that sends these events again, to all endpoints or to one."""
    query = {"ids": ",".join(event.public_id for event in events), "scope": Replay.Scope.EVENTS.value}
    if len({event.tenant_id for event in events}) == 1:
        query["tenant"] = events[0].tenant.public_id
    return f"{reverse('admin:delivery_event_replay')}?{urlencode(query)}"
