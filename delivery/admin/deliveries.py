"""Deliveries: one event owed to one endpoint, all that happened to it on one line of time, and ways to steer it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from delivery.admin.browsing import Browsing, Window, known, link, when
from delivery.admin.display import last_result, payload, pill
from delivery.admin.steering import STEER, STEPS, Steering, path_to
from delivery.lifecycle.cancel import UNFINISHED
from delivery.models import Delivery, Event, Replay
from delivery.reading import queries
from delivery.reading.timeline import timeline
from subscriptions.models import Tenant

__all__ = ["DeliveryAdmin"]

SHOWN_ATTEMPTS = 100  # the latest
SHOWN_LETTERS = 20


@admin.register(Delivery)
class DeliveryAdmin(Browsing):
    list_display = ("public", "standing", "last", "attempts", "of_event", "to_endpoint", "published")
    list_select_related = ("event", "endpoint")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("endpoint", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        ("created_at", Window),
    )
    searched = {"dlv": "pk", "evt": "event_id", "ep": "endpoint_id"}
    search_help_text = "An id, whole: of a delivery, an event, an endpoint, or the CloudEvent's own."
    fields = (("public", "standing"), ("of_event", "to_endpoint"), ("of_tenant", "last"), ("due", "of_replay"))
    readonly_fields = tuple(name for line in fields for name in line)
    change_form_outer_before_template = "delivery/admin/steer_bar.html"
    change_form_after_template = "delivery/admin/delivery.html"
    actions = ("send_now", "set_aside", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.select_related("event", "endpoint").defer("body", "event__body", "event__digest")

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        named = Event.objects.filter(event_id=term, tenant__in=Tenant.objects.values("id"))
        return rows.filter(event__in=named.values("id"))

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Whoever may change a delivery may steer it; nobody edits one."""
        return bool(request.user.has_perm(STEER))

    @action(description="Send the selected deliveries now", permissions=["steer"])
    def send_now(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._ask("retry", queryset)

    @action(description="Park the selected deliveries", permissions=["steer"])
    def set_aside(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._ask("set-aside", queryset)

    @action(description="Cancel the selected deliveries", permissions=["steer"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._ask("cancel", queryset)

    def _ask(self, step: str, chosen: QuerySet[Delivery]) -> HttpResponse:
        """To the page that shows them and asks."""
        return redirect(path_to(step, [delivery.public_id for delivery in chosen[: self.list_per_page]]))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(Steering(self).view)
        return [path("steer/", page, name="delivery_delivery_steer"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if delivery is not None and self.has_view_permission(request, delivery):
            attempts = queries.latest(delivery.history.all(), SHOWN_ATTEMPTS)
            letters = queries.latest(delivery.dead_letters.all(), SHOWN_LETTERS)
            context |= {
                "moments": timeline(delivery, attempts, letters),
                "earlier": delivery.attempts - len(attempts),
                "own_body": delivery.body is not None,
                "payload": payload(delivery.event.body if delivery.body is None else delivery.body),
            }
            if delivery.state in UNFINISHED and self.has_steer_permission(request):
                context["steps"] = [(step.title, path_to(name, [delivery.public_id])) for name, step in STEPS.items()]
        answer: HttpResponse = super().change_view(request, object_id, form_url, context)
        return answer

    @display(description="Delivery")
    def public(self, delivery: Delivery) -> str:
        return delivery.public_id

    @display(description="State")
    def standing(self, delivery: Delivery) -> str:
        return pill(delivery.state)

    @display(description="Last result")
    def last(self, delivery: Delivery) -> str:
        return last_result(delivery.last_status, delivery.last_error)

    @display(description="Event")
    def of_event(self, delivery: Delivery) -> str:
        return link(delivery.event, delivery.event.type)

    @display(description="Endpoint")
    def to_endpoint(self, delivery: Delivery) -> str:
        return link(delivery.endpoint, str(delivery.endpoint))

    @display(description="Tenant")
    def of_tenant(self, delivery: Delivery) -> str:
        return link(delivery.tenant, delivery.tenant.name)

    @display(description="Next attempt (UTC)")
    def due(self, delivery: Delivery) -> str:
        return when(delivery.next_attempt_at)

    @display(description="Brought back by")
    def of_replay(self, delivery: Delivery) -> str:
        return link(known(Replay.objects.all(), delivery.replay_id))

    @display(description="Published (UTC)")
    def published(self, delivery: Delivery) -> str:
        return when(delivery.created_at)
