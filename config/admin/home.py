"""Show on the admin's first page whether all is well, and if not, who is affected, since when and why.

Every number is a sum of counters, or a look at a small table: see ``delivery.figures``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest

from config.status.parts import Part, platform_parts
from config.status.status import platform_status
from delivery.admin.figures.panel import Panel, context_of
from delivery.figures.status import EndpointStatus, statuses
from delivery.figures.worst import ORDERS, Attention, worst_endpoints, worst_tenants
from delivery.models import PLATFORM, Alert, AlertRule, DeadLetter, Usage, UsageIncrement
from subscriptions.models import ApiKey, Endpoint, Subscription, Tenant
from webhooks.kit.charts.viewer_zone import clock
from webhooks.kit.jobs.duration import duration

RELOAD_AFTER = 10  # seconds
SHOWN_ALERTS = 10
DEFAULT_ORDER = "failures"
SEVERITIES = {AlertRule.Severity.CRITICAL: "bad", AlertRule.Severity.WARNING: "warn", AlertRule.Severity.INFO: "info"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether all is well, in a few words, and what is not."""

    tone: str
    words: str
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """A tenant or an endpoint that needs attention; ``status`` is that of an endpoint."""

    row: Tenant | Endpoint
    figures: Attention
    late: str
    status: EndpointStatus | None = None


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A step to the first delivery, where to do it, and whether it is done."""

    words: str
    url_name: str
    is_done: bool


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the page's context; called by the admin (UNFOLD["DASHBOARD_CALLBACK"])."""
    if not request.user.has_perm("delivery.view_delivery"):
        return context
    figures = context_of(request, PLATFORM)
    panel: Panel = figures["panel"]
    status = platform_status()
    order = request.GET.get("order", "")
    order = order if order in ORDERS else DEFAULT_ORDER
    endpoints = _endpoints(panel, order)
    parts = platform_parts(status, panel.now)
    alerts = list(_firing(panel.now, panel.zone))
    return {
        **context,
        **figures,
        "load": status.load,
        "verdict": verdict(parts, [it["words"] for it in alerts if it["tone"] != "info"], endpoints),
        "parts": parts,
        "alerts": alerts[:SHOWN_ALERTS],
        "more_alerts": max(len(alerts) - SHOWN_ALERTS, 0),
        "endpoints": endpoints,
        "tenants": _tenants(panel, order),
        "order": order,
        "orders": _orders(panel.period, order),
        "causes": _causes(panel),
        "first_steps": first_steps(),
        "public_url": settings.PUBLIC_URL,
        "reload_after": RELOAD_AFTER,
    }


def verdict(parts: Sequence[Part], alerts: Sequence[str], endpoints: Sequence[AttentionRow]) -> Verdict:
    """Decide whether all is well from the states of the parts, the alerts that fire, and failing endpoints."""
    broken = [f"{it.name}: {it.detail or it.state}" for it in parts if it.tone == "bad"]
    strained = [f"{it.name}: {it.detail or it.state}" for it in parts if it.tone == "warn"]
    failing = sum(it.status is not None and it.status.words.startswith("failing") for it in endpoints)
    said = [f"{failing} endpoint{'s' * (failing != 1)} failing"] if failing else []
    said += [f"{len(alerts)} alert{'s' * (len(alerts) != 1)} firing"] if alerts else []
    if broken:
        return Verdict("bad", "The platform is not well", [*broken, *strained, *said])
    if strained or said:
        return Verdict("warn", "The platform works; some things need attention", [*strained, *said])
    return Verdict("good", "All is well", [])


def first_steps() -> list[FirstStep]:
    """Return what to do until the first event is published; empty once one was."""
    if Usage.objects.filter(events__gt=0).exists() or UsageIncrement.objects.filter(events__gt=0).exists():
        return []
    tenants = Tenant.objects.filter(deleted_at=None)
    return [
        FirstStep(
            "Create a tenant: the customer whose endpoints receive events", "subscriptions_tenant_add", tenants.exists()
        ),
        FirstStep(
            "Create an API key with the scopes that its user needs", "subscriptions_apikey_add", ApiKey.objects.exists()
        ),
        FirstStep(
            "Create an endpoint, with a URL or from a connector",
            "subscriptions_endpoint_add",
            Endpoint.objects.filter(deleted_at=None).exists(),
        ),
        FirstStep(
            "Subscribe it to event types: POST /api/v1/subscriptions/",
            "subscriptions_subscription_changelist",
            Subscription.objects.exists(),
        ),
        FirstStep("Publish an event: POST /api/v1/events/", "delivery_event_changelist", False),
    ]


def _endpoints(panel: Panel, order: str) -> list[AttentionRow]:
    found = worst_endpoints(panel.period, panel.axis.begins_at, panel.now, order)
    said = statuses([endpoint for endpoint, _ in found], panel.now, panel.zone)
    return [AttentionRow(it, figures, _late(figures), said[it.pk]) for it, figures in found]


def _tenants(panel: Panel, order: str) -> list[AttentionRow]:
    found = worst_tenants(panel.period, panel.axis.begins_at, panel.now, order)
    return [AttentionRow(it, figures, _late(figures)) for it, figures in found]


def _late(figures: Attention) -> str:
    return duration(timedelta(seconds=figures.seconds_late)) if figures.seconds_late >= 1 else ""


def _orders(period: str, order: str) -> list[dict[str, Any]]:
    """Return the columns of the lists of those that need attention, each with the address that sorts by it."""
    titles = {"failures": "Failures", "late": "Overdue", "pending": "Pending", "dead": "Dead letters"}
    return [
        {"title": title, "url": "?" + urlencode({"period": period, "order": name}), "is_selected": name == order}
        for name, title in titles.items()
    ]


def _firing(now: datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the alerts that fire, the most urgent first. Index: alert_open."""
    rows = Alert.objects.filter(state=Alert.State.FIRING).select_related("rule", "about_tenant")
    urgency = list(SEVERITIES)
    found = sorted(rows[:500], key=lambda it: (urgency.index(AlertRule.Severity(it.rule.severity)), it.since))
    return [
        {
            "alert": it,
            "tone": SEVERITIES[AlertRule.Severity(it.rule.severity)],
            "words": it.rule.name,
            "since": clock(it.since, zone, now),
        }
        for it in found
    ]


def _causes(panel: Panel) -> list[dict[str, Any]]:
    """Return the open dead letters by cause, the most frequent first, as last measured."""
    labels = dict(DeadLetter.Cause.choices)
    counted = sorted(panel.waiting.causes.items(), key=lambda it: -it[1])
    return [{"name": name, "label": labels.get(name, name), "count": count} for name, count in counted]
