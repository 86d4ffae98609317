"""Show the usage of a month: a chart by day, and below it the totals by tenant, or by type of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from delivery.lifecycle.usage import UsageFilter, UsageRow, report
from delivery.models import Usage
from subscriptions.models import Tenant
from subscriptions.tenants.plans import plan_of
from webhooks.kit.admin.lists import AdminList, find_by_id_or_uid

COUNTS = ("events", "deliveries")
SHOWN_ROWS = 100  # tenants or types with the highest usage
MAX_REPORT_ROWS = 20_000
CHART_HEIGHT, CHART_STEP = 120, 24  # pixels of the highest bar, and from one bar to the next
SHOWN_MONTHS = 12


@dataclass(frozen=True, slots=True)
class DailyBar:
    """One day of the chart, in the coordinates of its SVG."""

    day: date
    count: int
    x: int
    y: int
    height: int


@admin.register(Usage)
class UsageAdmin(AdminList):
    """Show a report in place of the list; there are no rows to open."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        months = _months(datetime.now(UTC).date())
        first = next((month for month in months if f"{month:%Y-%m}" == request.GET.get("month")), months[0])
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        term = request.GET.get("tenant", "").strip().replace("\0", "")
        tenant = find_by_id_or_uid(Tenant.objects.select_related("plan"), term).first() if term else None
        context = {
            **self.admin_site.each_context(request),
            "title": "Usage",
            "opts": self.opts,
            "media": self.media,
            "term": term,
            "tenant": tenant,
            "is_unknown": bool(term) and tenant is None,
            "first": first,
            "months": months,
            **(_report(tenant, first, last) if tenant is not None or not term else {}),
        }
        return TemplateResponse(request, "delivery/admin/usage.html", context)


def _report(tenant: Tenant | None, first: date, last: date) -> dict[str, Any]:
    tenant_id = None if tenant is None else tenant.pk
    by = "tenant" if tenant is None else "type"
    days = report(UsageFilter(tenant_id, first, last, by=frozenset()), MAX_REPORT_ROWS)
    rows = report(UsageFilter(tenant_id, first, last, granularity="month", by=frozenset({by})), MAX_REPORT_ROWS)
    ordered = sorted(rows, key=lambda row: (-row.events, -row.deliveries))
    shown = ordered[:SHOWN_ROWS]
    tenants = Tenant.objects.in_bulk([row.tenant_id for row in shown if row.tenant_id])
    return {
        "bars": daily_bars(days, first, last),
        "totals": [(name, sum(getattr(row, name) for row in days)) for name in COUNTS],
        "rows": [(tenants.get(row.tenant_id) if row.tenant_id else None, row) for row in shown],
        "more": len(ordered) - len(shown),
        "plan": tenant and plan_of(tenant),
    }


def daily_bars(days: Sequence[UsageRow], first: date, last: date) -> list[DailyBar]:
    """Return a bar for every day of the period, including days without events."""
    counts = {row.day: row.events for row in days}
    highest = max(counts.values(), default=0) or 1
    bars = []
    for position in range((last - first).days + 1):
        day = first + timedelta(days=position)
        count = counts.get(day, 0)
        height = max(2, round(CHART_HEIGHT * count / highest)) if count else 0
        bars.append(DailyBar(day, count, position * CHART_STEP + 2, CHART_HEIGHT - height, height))
    return bars


def _months(today: date) -> list[date]:
    """Return the first days of this month and of those before it."""
    number = today.year * 12 + today.month - 1
    return [date((number - back) // 12, (number - back) % 12 + 1, 1) for back in range(SHOWN_MONTHS)]
