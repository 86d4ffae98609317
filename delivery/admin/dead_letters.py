"""Dead letters: what was given up and why, and the two ways to bring it back: by selection and by filter.

Both lead to the same page, which counts first and asks for a rate; only its POST changes anything.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display

from delivery.admin.browsing import Browsing, Window, known, link, when
from delivery.admin.display import last_result, pill
from delivery.admin.replay_dead_letters import Redrive, query_of
from delivery.admin.replay_page import REPLAY
from delivery.models import DeadLetter, Event, Replay
from subscriptions.models import Tenant

__all__ = ["DeadLetterAdmin"]


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Open ones have nobody who brought them back."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Browsing) -> list[tuple[str, str]]:
        return [("open", "Open"), ("replayed", "Brought back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() not in ("open", "replayed"):
            return queryset
        return queryset.filter(replayed_at__isnull=self.value() == "open")


@admin.register(DeadLetter)
class DeadLetterAdmin(Browsing):
    list_display = ("public", "standing", "why", "last", "of_event", "to_endpoint", "died")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("endpoint", AutocompleteSelectFilter),
        ("cause", ChoicesDropdownFilter),
        StateFilter,
        ("failed_at", Window),
    )
    actions = ("bring_back",)
    searched = {"dl": "pk", "dlv": "delivery_id", "evt": "delivery__event_id", "ep": "endpoint_id"}
    search_help_text = "An id, whole: of a dead letter, a delivery, an event, an endpoint, or the CloudEvent's own."
    list_before_template = "delivery/admin/redrive_bar.html"
    fields = (
        ("public", "standing"),
        ("cause", "reason"),
        ("last", "attempts"),
        ("of_delivery", "of_event"),
        ("to_endpoint", "of_tenant"),
        ("died", "back"),
        ("replayed_by", "of_replay"),
    )
    readonly_fields = tuple(name for line in fields for name in line)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        rows: QuerySet[DeadLetter] = super().get_queryset(request)
        rows = rows.select_related("delivery__event", "endpoint")
        return rows.defer("delivery__body", "delivery__event__body", "delivery__event__digest")

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        named = Event.objects.filter(event_id=term, tenant__in=Tenant.objects.values("id"))
        return rows.filter(delivery__event__in=named.values("id"))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may create a replay may bring letters back."""
        return bool(request.user.has_perm(REPLAY))

    @action(description="Bring back the selected dead letters", permissions=["replay"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """To the page that counts and asks."""
        chosen = ",".join(letter.public_id for letter in queryset[: self.list_per_page])
        return redirect(f"{reverse('admin:delivery_deadletter_redrive')}?{urlencode({'ids': chosen})}")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(Redrive(self).view)
        return [path("redrive/", page, name="delivery_deadletter_redrive"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        bar = {"redrive_query": query_of(request.GET)} if self.has_replay_permission(request) else {}
        answer: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **bar})
        return answer

    @display(description="Dead letter")
    def public(self, letter: DeadLetter) -> str:
        return letter.public_id

    @display(description="State")
    def standing(self, letter: DeadLetter) -> str:
        return pill("replayed", "brought back") if letter.replayed_at else pill("open")

    @display(description="Cause")
    def why(self, letter: DeadLetter) -> str:
        return pill(letter.cause, letter.cause.replace("_", " "), str(letter.get_cause_display()))

    @display(description="Last result")
    def last(self, letter: DeadLetter) -> str:
        return last_result(letter.last_status, letter.last_error)

    @display(description="Delivery")
    def of_delivery(self, letter: DeadLetter) -> str:
        return link(letter.delivery)

    @display(description="Event")
    def of_event(self, letter: DeadLetter) -> str:
        return link(letter.delivery.event, letter.delivery.event.type)

    @display(description="Endpoint")
    def to_endpoint(self, letter: DeadLetter) -> str:
        return link(letter.endpoint, str(letter.endpoint))

    @display(description="Tenant")
    def of_tenant(self, letter: DeadLetter) -> str:
        return link(letter.tenant, letter.tenant.name)

    @display(description="Died (UTC)")
    def died(self, letter: DeadLetter) -> str:
        return when(letter.failed_at)

    @display(description="Brought back (UTC)")
    def back(self, letter: DeadLetter) -> str:
        return when(letter.replayed_at)

    @display(description="Replay")
    def of_replay(self, letter: DeadLetter) -> str:
        return link(known(Replay.objects.all(), letter.replay_id))
