"""Make alert rules, and let the conditions of endpoints hold."""

from datetime import timedelta
from typing import Any

import orjson

from delivery.alerts.evaluate import evaluate
from delivery.alerts.rules import create_rule
from delivery.models import Alert, AlertRule, Event, Lane
from subscriptions.models import Endpoint, Tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from webhooks.kit.sql import database_now


def make_rule(tenant: Tenant | None = None, **fields: Any) -> AlertRule:
    """Create a rule of a tenant about endpoints that fail."""
    given = {"name": "Fails", "condition": "endpoint_failing", **fields}
    return create_rule(tenant or make_tenant(), **given)


def make_alert(tenant: Tenant | None = None, **fields: Any) -> Alert:
    """Create an alert that fires."""
    rule = make_rule(tenant)
    now = database_now()
    given = {
        "rule": rule,
        "tenant": rule.tenant,
        "subject_type": "endpoint",
        "subject": "ep_1",
        "subject_name": "https://example.com/",
        "state": "firing",
        "since": now,
        "last_true_at": now,
        "fired_at": now,
        "message": "No attempt has succeeded.",
        **fields,
    }
    return Alert.objects.create(**given)


def make_failing(endpoint: Endpoint, minutes: float = 10, **lane: Any) -> Lane:
    """Let no attempt to an endpoint have succeeded for so many minutes."""
    given = {"failures": 5, "failing_since": database_now() - timedelta(minutes=minutes), **lane}
    return Lane.objects.update_or_create(endpoint=endpoint, defaults={"tenant": endpoint.tenant, **given})[0]


def make_working(endpoint: Endpoint) -> None:
    """Let the endpoint have responded in time."""
    Lane.objects.filter(endpoint=endpoint).update(failures=0, failing_since=None, open_count=0)


def make_subscriber(tenant: Tenant, **fields: Any) -> Endpoint:
    """Create an endpoint that subscribes to alerts."""
    endpoint = make_endpoint(tenant)
    make_subscription(endpoint, **{"event_types": ["waypost.alert.*"], **fields})
    return endpoint


def run_rule(rule: AlertRule, *, minutes: float = 0.0) -> AlertRule:
    """Evaluate a rule as if so many minutes had passed; return it as stored."""
    row = AlertRule.objects.get(pk=rule.pk)
    evaluate([row], database_now() + timedelta(minutes=minutes))
    row.refresh_from_db()
    return row


def published(tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    """Return type and data of the events about alerts of a tenant, oldest first."""
    rows = Event.objects.filter(tenant=tenant, type__startswith="waypost.alert.").order_by("id")
    return [(it.type.removeprefix("waypost.alert."), orjson.loads(bytes(it.body))["data"]) for it in rows]


def occasions(tenant: Tenant) -> list[tuple[str, int]]:
    """Return the occasions of the messages of a tenant, each with the number of its alerts."""
    return [(data["occasion"], data["count"]) for _, data in published(tenant)]
