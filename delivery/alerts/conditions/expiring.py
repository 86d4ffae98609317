"""Find certificates and keys that end soon."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from delivery.alerts.conditions.of_endpoint import NAME_LENGTH
from subscriptions.models import ApiKey, HttpSettings
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.kinds.setting import Setting

STEPS = (45, 30, 15, 3, 1)  # days before the end, each with a message
DAYS = Setting(
    "days",
    "Days",
    f"Days before the end. A message comes then, and at each of {', '.join(map(str, STEPS))} days that is later.",
    type="number",
    default=45,
    minimum=1,
    maximum=365,
    example="45",
)


def find(question: Question) -> list[Finding]:
    """Return what ends soon, that first which ends first. Indexes: api_key_by_expiry, http_settings_with_tls."""
    last = question.now + timedelta(days=question.settings["days"])
    found = [*_keys(question, last), *_certificates(question, last)]
    return sorted(found, key=lambda it: it.value or 0)[: question.limit]


def _keys(question: Question, last: datetime) -> Iterator[Finding]:
    rows = ApiKey.objects.filter(revoked_at=None, expires_at__gt=question.now, expires_at__lte=last)
    if question.tenant_id is not None:
        rows = rows.filter(tenant=question.tenant_id)
    for key in rows.order_by("expires_at")[: question.limit]:
        yield _finding(question, "key", key.public_id, f"API key {key}", key.tenant_id, key.expires_at)


def _certificates(question: Question, last: datetime) -> Iterator[Finding]:
    rows = HttpSettings.objects.filter(~Q(tls={}), endpoint__deleted_at=None).select_related("endpoint")
    if question.tenant_id is not None:
        rows = rows.filter(endpoint__tenant=question.tenant_id)
    for row in rows.order_by("pk"):
        for name, ends_at in _ends(row.tls):
            if ends_at <= last:
                endpoint = row.endpoint
                title = f"{name} of {endpoint.uid or row.url}"
                yield _finding(
                    question, "certificate", f"{endpoint.public_id}/{name}", title, endpoint.tenant_id, ends_at
                )


def _ends(tls: dict[str, Any]) -> Iterator[tuple[str, datetime]]:
    for name, described in tls.items():
        text = described.get("not_after") if isinstance(described, dict) else None
        ends_at = parse_datetime(text) if isinstance(text, str) else None
        if ends_at is not None:
            yield name, ends_at


def _finding(
    question: Question, kind: str, subject: str, name: str, tenant_id: Any, ends_at: datetime | None
) -> Finding:
    left = (ends_at or question.now) - question.now
    days = left.total_seconds() / 86_400
    step = sum(days <= it for it in STEPS if it < question.settings["days"])
    text = (
        f"Ends at {ends_at:%Y-%m-%d %H:%M} UTC, in {max(round(days, 1), 0):g} days."
        if days > 0
        else (f"Ended at {ends_at:%Y-%m-%d %H:%M} UTC.")
    )
    return Finding(kind, subject[:256], name[:NAME_LENGTH], text, tenant_id, None, round(days, 2), step)


CONDITION = Condition(
    "expiring",
    "Certificates and keys end",
    "An API key, or the client certificate or certificate authority of an endpoint, ends within some days.",
    find,
    (DAYS,),
    every=300.0,
)
