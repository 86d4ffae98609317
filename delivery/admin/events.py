"""Events: what was published, as it will be sent, and to whom it is owed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from delivery.admin.browsing import Browsing, Window, link, when
from delivery.admin.display import payload
from delivery.admin.replay_events import SendAgain, query_of
from delivery.admin.replay_page import REPLAY
from delivery.models import Delivery, Event, Replay
from delivery.reading.explain import endpoints_for, explain
from subscriptions.models import Tenant

__all__ = ["EventAdmin"]

SHOWN_DELIVERIES = 200  # on an event's page; the list of deliveries has the others
SHOWN_ENDPOINTS = 50  # to which it is not owed; REST explains them all


@admin.register(Event)
class EventAdmin(Browsing):
    list_display = ("public", "type", "subject", "source", "its_id", "of_tenant", "taken")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), ("created_at", Window))
    searched = {"evt": "pk"}
    search_help_text = "An event's id (evt_...), or the CloudEvent's own id, whole."
    fields = (("public", "type"), ("its_id", "source"), ("subject", "of_tenant"), "taken")
    readonly_fields = ("public", "type", "its_id", "source", "subject", "of_tenant", "taken")
    change_form_after_template = "delivery/admin/event.html"
    list_before_template = "delivery/admin/send_again_bar.html"
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        rows: QuerySet[Event] = super().get_queryset(request)
        return rows.select_related("tenant").defer("body", "digest")

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        return rows.filter(event_id=term, tenant__in=Tenant.objects.values("id"))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may create a replay may send events again."""
        return bool(request.user.has_perm(REPLAY))

    @action(description="Send the selected events again", permissions=["replay"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponse:
        """To the page that counts and asks; the events have to be one tenant's."""
        chosen = list(queryset[: self.list_per_page])
        query = {"ids": ",".join(event.public_id for event in chosen), "scope": Replay.Scope.EVENTS.value}
        if len({event.tenant_id for event in chosen}) == 1:
            query["tenant"] = chosen[0].tenant.public_id
        return redirect(f"{reverse('admin:delivery_event_send_again')}?{urlencode(query)}")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(SendAgain(self).view)
        return [path("send-again/", page, name="delivery_event_send_again"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        bar = {"send_again_query": query_of(request.GET)} if self.has_replay_permission(request) else {}
        answer: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **bar})
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        event = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if event is not None and self.has_view_permission(request, event):
            owed = Delivery.objects.filter(event=event).select_related("endpoint").defer("body")
            elsewhere = endpoints_for(event).exclude(id__in=owed.values("endpoint_id")).order_by("-id")
            context |= {"payload": payload(event.body), "owed": owed.order_by("id")[:SHOWN_DELIVERIES]}
            context |= {"unowed": explain(event, list(elsewhere[:SHOWN_ENDPOINTS])), "most_unowed": SHOWN_ENDPOINTS}
        answer: HttpResponse = super().change_view(request, object_id, form_url, context)
        return answer

    @display(description="Event")
    def public(self, event: Event) -> str:
        return event.public_id

    @display(description="CloudEvent id")
    def its_id(self, event: Event) -> str:
        return event.event_id

    @display(description="Tenant")
    def of_tenant(self, event: Event) -> str:
        return link(event.tenant, event.tenant.name)

    @display(description="Published (UTC)")
    def taken(self, event: Event) -> str:
        return when(event.created_at)
