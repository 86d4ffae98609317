"""Usage: what tenants used in a month, by day as a chart, and below it by tenant, or by type of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from delivery.admin.browsing import Browsing
from delivery.lifecycle.usage import UsageFilter, UsageRow, report
from delivery.models import Usage
from subscriptions.admin.browsing import by_ref
from subscriptions.models import Tenant
from subscriptions.tenants.plans import plan_of

__all__ = ["UsageAdmin", "bars"]

COUNTS = ("events", "deliveries")
SHOWN = 100  # tenants or types, those that used most
MOST_READ = 20_000  # rows of a report
HEIGHT = 120  # pixels of the chart
MONTHS = 12  # to choose from


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart, in the coordinates of its drawing."""

    day: date
    count: int
    x: int
    y: int
    height: int


@admin.register(Usage)
class UsageAdmin(Browsing):
    """One page; there are no rows to open."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        months = _months(datetime.now(UTC).date())
        first = next((month for month in months if f"{month:%Y-%m}" == request.GET.get("month")), months[0])
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        term = request.GET.get("tenant", "").strip().replace("\0", "")
        tenant = by_ref(Tenant.objects.select_related("plan"), term).first() if term else None
        context = {
            **self.admin_site.each_context(request),
            "title": "Usage",
            "opts": self.opts,
            "media": self.media,
            "term": term,
            "tenant": tenant,
            "unknown": bool(term) and tenant is None,
            "first": first,
            "months": months,
            **(_shown(tenant, first, last) if tenant is not None or not term else {}),
        }
        return TemplateResponse(request, "delivery/admin/usage.html", context)


def _shown(tenant: Tenant | None, first: date, last: date) -> dict[str, Any]:
    tenant_id = None if tenant is None else tenant.pk
    by = "tenant" if tenant is None else "type"
    days = report(UsageFilter(tenant_id, first, last, by=frozenset()), MOST_READ)
    rows = report(UsageFilter(tenant_id, first, last, granularity="month", by=frozenset({by})), MOST_READ)
    most = sorted(rows, key=lambda row: (-row.events, -row.deliveries))
    known = Tenant.objects.in_bulk([row.tenant_id for row in most[:SHOWN] if row.tenant_id])
    return {
        "bars": bars(days, first, last),
        "totals": [(name, sum(getattr(row, name) for row in days)) for name in COUNTS],
        "rows": [(known.get(row.tenant_id) if row.tenant_id else None, row) for row in most[:SHOWN]],
        "more": len(most) - SHOWN,
        "plan": tenant and plan_of(tenant),
    }


def bars(days: Sequence[UsageRow], first: date, last: date) -> list[Bar]:
    """The events of every day of the window, those without any too."""
    counts = {row.day: row.events for row in days}
    most = max(counts.values(), default=0) or 1
    shown = []
    for place in range((last - first).days + 1):
        day = first + timedelta(days=place)
        count = counts.get(day, 0)
        height = max(2, round(HEIGHT * count / most)) if count else 0
        shown.append(Bar(day, count, place * 24 + 2, HEIGHT - height, height))
    return shown


def _months(today: date) -> list[date]:
    """This month and those before it, by their first days."""
    number = today.year * 12 + today.month - 1
    return [date((number - back) // 12, (number - back) % 12 + 1, 1) for back in range(MONTHS)]
