"""Show deliveries: one event to one endpoint, with its timeline and the operations on it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from delivery.admin.attempt_page import AttemptPage
from delivery.admin.display import find, last_result, payload, state_pill, trace_link
from delivery.admin.finding.find_page import SEES_PAYLOADS
from delivery.admin.operations import MAY_OPERATE, OPERATIONS, OperationPage, operation_path
from delivery.admin.time_filter import TimeRangeFilter
from delivery.lifecycle.cancel import UNFINISHED
from delivery.models import Delivery, Replay
from delivery.reading import queries
from delivery.reading.explain import explain
from delivery.reading.finding.events import find_events
from delivery.reading.finding.of_endpoints import newest_of_endpoints
from delivery.reading.timeline import timeline
from delivery.sql.claim import ENCRYPTED_FORMS
from subscriptions.search import find_endpoints
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.display import column, link, may, when
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList

BY_ANYTHING = "Search by any ID, event type, subject, indexed value, or part of the endpoint's URL"
SHOWN_ATTEMPTS = 100  # the latest
SHOWN_DEAD_LETTERS = 20


def _shown_body(delivery: Delivery) -> bytes | memoryview:
    """Return what is sent; of a body that is not masked, the event as it is stored."""
    if delivery.body is None or delivery.form in ENCRYPTED_FORMS:
        return delivery.event.body
    return delivery.body


@admin.register(Delivery)
class DeliveryAdmin(AdminList):
    """Show deliveries, and retry, resend, cancel or move them to the dead letters."""

    empty_note = "An event has one delivery for each endpoint whose subscriptions match it."
    list_display = (
        *("public_id", "state_column", "result", "attempts", "event_link", "endpoint_link", "tenant_link"),
        "published",
    )
    list_select_related = ("tenant", "event", "endpoint__http", "endpoint__destination")
    sortable_by = ("published",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("endpoint", RelatedFilter),
        ("state", ChoicesFilter),
        ("replay", RelatedFilter),
        ("created_at", TimeRangeFilter),
    )
    search_help_text = BY_ANYTHING
    search_columns = {"dlv": "pk", "evt": "event_id", "ep": "endpoint_id"}
    fields = (
        ("public_id", "state_column"),
        ("event_link", "endpoint_link"),
        ("tenant_link", "result"),
        ("due", "replay_link"),
        ("superseded_by_link", "supersedes"),
        ("trace",),
    )
    readonly_fields = tuple(name for line in fields for name in line)
    change_form_outer_before_template = "delivery/admin/operations_bar.html"
    change_form_after_template = "delivery/admin/delivery.html"
    actions = ("retry_now", "resend", "move_to_dead_letters", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.select_related("tenant", "event", "endpoint__http", "endpoint__destination").defer(
            "body", "event__body", "event__original", "event__digest"
        )

    def find_text(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        if events := find_events(term, by_value=may(SEES_PAYLOADS)):
            return rows.filter(event__in=events)
        return rows.filter(pk__in=newest_of_endpoints(Delivery, find_endpoints(term)))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_OPERATE))

    @admin.action(description="Retry selected now", permissions=["operate"])
    def retry_now(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._confirm("retry", queryset)

    @admin.action(description="Resend selected", permissions=["operate"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._confirm("resend", queryset)

    @admin.action(description="Move selected to dead letters", permissions=["operate"])
    def move_to_dead_letters(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._confirm("set-aside", queryset)

    @admin.action(description="Cancel selected", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse:
        return self._confirm("cancel", queryset)

    def _confirm(self, operation: str, selected: QuerySet[Delivery]) -> HttpResponse:
        """Redirect to the page that lists the deliveries and asks."""
        return redirect(operation_path(operation, [delivery.public_id for delivery in selected[: self.list_per_page]]))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(OperationPage(self).view)
        attempt = self.admin_site.admin_view(AttemptPage(self).view)
        return [
            path("operation/", page, name="delivery_delivery_operation"),
            path("<uuid:pk>/attempts/<int:number>/", attempt, name="delivery_delivery_attempt"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if delivery is not None and self.has_view_permission(request, delivery):
            attempts = queries.latest(delivery.history.all(), SHOWN_ATTEMPTS)
            letters = queries.latest(delivery.dead_letters.all(), SHOWN_DEAD_LETTERS)
            sees = may_see_payload(request, delivery)
            context |= {
                "shows_values": sees,
                "entries": timeline(delivery, attempts, letters),
                "earlier": delivery.attempts - len(attempts),
                "has_own_body": delivery.body is not None,
                "is_encrypted": delivery.form in ENCRYPTED_FORMS,
                "payload": payload(_shown_body(delivery)) if sees else HIDDEN,
            }
            if delivery.state == Delivery.State.DEAD:
                context["letter"] = next(iter(letters), None)
            if delivery.state in UNFINISHED:
                context["reasons"] = explain(delivery.event, [delivery.endpoint])[0].reasons
            if self.has_operate_permission(request):
                context["operations"] = [
                    (it.title, operation_path(it.name, [delivery.public_id]))
                    for it in OPERATIONS.values()
                    if it.applies_to(delivery)
                ]
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    state_column = column("State", lambda delivery: state_pill(delivery.state))
    result = column("Last result", lambda delivery: last_result(delivery.last_status, delivery.last_error))
    event_link = column("Event", lambda delivery: link(delivery.event, delivery.event.type))
    endpoint_link = column("Endpoint", lambda delivery: link(delivery.endpoint, str(delivery.endpoint)))
    tenant_link = column("Tenant", lambda delivery: link(delivery.tenant, delivery.tenant.name))
    due = column("Next attempt", lambda delivery: when(delivery.next_attempt_at))
    replay_link = column("Replayed by", lambda delivery: link(find(Replay.objects.all(), delivery.replay_id)))
    superseded_by_link = column(
        "Superseded by", lambda delivery: link(find(Delivery.objects.all(), delivery.superseded_by_id))
    )
    published = column("Published", lambda delivery: when(delivery.created_at), order="id")
    trace = column("Trace", lambda delivery: trace_link(delivery.event))
