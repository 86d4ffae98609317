"""Publish operational events about endpoints that reject most deliveries, and when they accept them again.

A sweep finds both in the hourly counts of attempts, up to a minute after they are written; drains do nothing for it.
"""

from typing import Any

from django.db import transaction

from delivery.operational.operational_events import publish_operational
from delivery.reading.endpoint_health import percent, rejecting_message
from delivery.sql.figures.hourly_stats import RejectingRow, begin_rejecting, end_rejecting
from subscriptions.models import Endpoint

ACCEPTS_AGAIN = "The endpoint accepts deliveries again."


def report_rejecting() -> None:
    """Publish which endpoints reject most deliveries, at once and then every week, and which accept them again."""
    with transaction.atomic():
        began = {row.endpoint_id: row for row in begin_rejecting()}
        ended = end_rejecting()
        endpoints = Endpoint.objects.filter(id__in=[*began, *ended], deleted_at=None).select_related(
            "http", "destination"
        )
        about = {it.id: (it.tenant_id, {"endpoint": it.public_id, "url": it.address}) for it in endpoints}
        rejecting = [
            (tenant_id, data | _describe(began[key])) for key, (tenant_id, data) in about.items() if key in began
        ]
        publish_operational("waypost.endpoint.rejecting", rejecting)
        said = {"from": "rejecting", "message": ACCEPTS_AGAIN}
        recovered = [(tenant_id, data | said) for key, (tenant_id, data) in about.items() if key in ended]
        publish_operational("waypost.endpoint.recovered", recovered)


def _describe(row: RejectingRow) -> dict[str, Any]:
    return {
        "rejecting_since": row.since.isoformat(),
        "rejected_percent": percent(row.rejected, row.attempts),
        "rejected": row.rejected,
        "attempts": row.attempts,
        "last_status": row.last_status,
        "message": rejecting_message(row.rejected, row.attempts, row.last_status),
    }
