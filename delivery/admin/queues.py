"""Show the queue of each endpoint, called a lane in the code: state, rate, backlog, breaker. Retry what waits in it."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from delivery.admin.display import state_pill
from delivery.admin.hourly_chart import hourly_chart
from delivery.admin.operations import MAY_OPERATE
from delivery.lifecycle.retry_endpoint import retry_endpoint
from delivery.models import Lane
from delivery.reading.endpoint_health import Health
from delivery.reading.lane_status import LaneStatus, lane_status, state_of
from delivery.reading.lanes_behind import OURS
from delivery.sending.attempt_stats import stats_by_hour
from subscriptions.admin.actions import run_for_each
from subscriptions.admin.endpoint_operations.operation import ENDPOINTS
from subscriptions.admin.row_operations import ButtonsAdmin
from subscriptions.models import Endpoint
from subscriptions.search import find_endpoints
from webhooks.kit.admin.display import NOTHING, Tone, column, link, pill, shortened, when
from webhooks.kit.admin.filters import BooleanFilter, RelatedFilter
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.jobs.duration import duration

CHART_HOURS = 24
LABELS = {
    "active": "in progress",
    "endpoint_inactive": "paused",
    "circuit_open": "circuit open",
    "pause_requested": "pause requested",
}

HEALTH_TONES: dict[Health, Tone] = {
    Health.INACTIVE: "warn",
    Health.PAUSE_REQUESTED: "warn",
    Health.FAILING: "bad",
    Health.REJECTING: "bad",
    Health.HEALTHY: "good",
    Health.UNKNOWN: "plain",
}


@admin.register(Lane)
class QueueAdmin(ButtonsAdmin, AdminList):
    """Show the queues of endpoints, with the operations on the endpoint."""

    empty_note = "Each endpoint has a queue, from its first delivery on."
    operations = ENDPOINTS
    list_display = ("endpoint_name", "tenant_link", "state", "failures_in_row", "failing", "due", "circuit_open")
    list_select_related = (
        "endpoint__tenant",
        "endpoint__http",
        "endpoint__destination",
    )
    list_filter = (("endpoint", RelatedFilter), ("endpoint_inactive", BooleanFilter))
    ordering = ("-pk",)
    actions = ("retry_now",)
    search_columns = {"ep": "pk"}
    search_help_text = "Search by the endpoint's ID (exact), or part of its URL or description"
    fields = (
        ("endpoint_link", "state"),
        ("health",),
        ("rate", "in_flight"),
        ("backlog", "oldest"),
        ("due", "worker"),
        "behind",
        "blockers",
        ("failures_in_row", "failing"),
        ("times_opened", "circuit_open"),
        ("waits_until", "waits_because"),
        ("chart",),
    )
    readonly_fields = tuple(name for line in fields for name in ((line,) if isinstance(line, str) else line))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        rows: QuerySet[Lane] = super().get_queryset(request)
        return rows.select_related("endpoint__tenant", "endpoint__http", "endpoint__destination")

    def find_text(self, rows: QuerySet[Lane], term: str) -> QuerySet[Lane]:
        return rows.filter(pk__in=find_endpoints(term))

    def operated_row(self, shown: Lane) -> Endpoint:
        return shown.endpoint

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MAY_OPERATE))

    @admin.action(description="Retry all now: the endpoint works again", permissions=["operate"])
    def retry_now(self, request: HttpRequest, queryset: QuerySet[Lane]) -> None:
        """Make the retries of the selected queues due, and probe their endpoints."""
        run_for_each(self, request, queryset, lambda lane: retry_endpoint(lane.endpoint), "retried")

    endpoint_name = column("Endpoint", lambda lane: shortened(str(lane.endpoint)))  # links to the queue
    endpoint_link = column("Endpoint", lambda lane: link(lane.endpoint, str(lane.endpoint)))
    tenant_link = column("Tenant", lambda lane: link(lane.endpoint.tenant, lane.endpoint.tenant.name))

    @admin.display(description="State")
    def state(self, lane: Lane) -> str:
        state = state_of(lane, timezone.now())
        return state_pill(state, LABELS.get(state, state))

    worker = column("Worker", lambda lane: str(lane.owner) if lane.owner else NOTHING)
    failures_in_row = column("Failures in a row", lambda lane: f"{lane.failures:,}")
    failing = column("Failing since", lambda lane: when(lane.failing_since))
    due = column("Next work due", lambda lane: when(lane.due_at))
    times_opened = column("Times opened", lambda lane: f"{lane.open_count:,}")
    circuit_open = column("Circuit open until", lambda lane: when(lane.circuit_open_until))

    waits_until = column("Pause requested until", lambda lane: when(_status(lane).waits_until))
    waits_because = column("Pause requested because", lambda lane: _status(lane).waits_because or NOTHING)

    @admin.display(description="Health")
    def health(self, lane: Lane) -> str:
        health = _status(lane).health
        if health is None:
            return NOTHING
        return format_html("{} {}", pill(health.state.replace("_", " "), HEALTH_TONES[health.state]), health.text)

    @admin.display(description="Current rate")
    def rate(self, lane: Lane) -> str:
        rate = _status(lane).effective_rate
        if rate == 0:
            state = state_of(lane, timezone.now())
            return f"stopped ({LABELS.get(state, 'endpoint not active')})"
        return "unknown" if rate is None else f"{rate:,.{0 if rate >= 100 else 1}f} per second"

    @admin.display(description="Concurrency")
    def in_flight(self, lane: Lane) -> str:
        status = _status(lane)
        return f"In flight {status.sending} / limit {status.concurrency} (max {status.max_in_flight})"

    @admin.display(description="Pending")
    def backlog(self, lane: Lane) -> str:
        status = _status(lane)
        return f"{status.backlog:,}{'+' if status.backlog_is_lower_bound else ''}"

    oldest = column("Oldest due", lambda lane: when(_status(lane).oldest_due_at))

    @admin.display(description="Behind")
    def behind(self, lane: Lane) -> str:
        late = _status(lane).behind
        if late is None:
            return NOTHING
        tone: Tone = "warn" if late.because in OURS else "info"
        since = duration(timedelta(seconds=late.seconds))
        return format_html("{} {}: {}", pill(late.label, tone), since, late.explanation)

    @admin.display(description="Blocking delivery (ordered)")
    def blockers(self, lane: Lane) -> str:
        links = [
            (reverse("admin:delivery_delivery_change", args=[it.delivery_id]), it.key or "(no key)")
            for it in _status(lane).blockers
        ]
        return format_html_join(", ", '<a class="wp-link" href="{}">{}</a>', links) or NOTHING

    chart = column(
        f"Last {CHART_HOURS} hours",
        lambda lane: hourly_chart(stats_by_hour([lane.endpoint_id], CHART_HOURS, timezone.now())),
    )


def _status(lane: Lane) -> LaneStatus:
    """Return the status, computed once per row and page."""
    status: LaneStatus = lane.__dict__.get("_status") or lane_status(lane.endpoint)
    lane.__dict__["_status"] = status
    return status
