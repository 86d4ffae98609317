"""Warn tenants about failing endpoints, and disable endpoints that have failed for days.

The warning ladder: after an hour, a day and three days of failures only, the tenant is warned; after five days the
endpoint is disabled, and at once when it reports that it is gone. A success ends the ladder, and is published if there
had been a warning.

Each step is an operational event of the platform, published like any other: a subscription that names
``waypost.endpoint.failing`` (or ``waypost.*``) receives it; ``*`` does not. Dead letters of operational events are not
published, so that they cannot multiply. An event that cannot be published (a pattern of its tenant cannot be
compiled, for example) is logged and stops nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError

from delivery import telemetry
from delivery.models import DeadLetter
from delivery.publishing.publisher import publish
from delivery.sending.breaker import Breaker
from subscriptions.endpoints.state import disable
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.route_table import OPERATIONAL
from subscriptions.routing.snapshot import current_route_table

SOURCE = "urn:waypost"
HOUR, DAY = 3_600.0, 86_400.0
BATCH = 500  # dead letters published in one transaction
LADDER = (1 * HOUR, 1 * DAY, 3 * DAY, 5 * DAY)  # seconds of failures only; the last step disables the endpoint


def warning_level(level: int, failing_since: float | None, now: float) -> int:
    """Return how many steps of the ladder are reached; ``level`` were published so far. Instants in unix seconds."""
    if failing_since is None:
        return 0
    return max(level, sum(now - failing_since >= step for step in LADDER))


def publish_warning(endpoint_id: UUID, address: str, level: int, breaker: Breaker) -> None:
    """Publish that the endpoint has reached this level: 0 recovered; the last one disables it."""
    if level == len(LADDER):
        disable_endpoints({endpoint_id: address}, Endpoint.DisabledReason.FAILING)
    elif level == 0:
        _publish_about([endpoint_id], "waypost.endpoint.recovered", {})
    else:
        since = datetime.fromtimestamp(breaker.failing_since or 0.0, UTC)
        _publish_about(
            [endpoint_id],
            "waypost.endpoint.failing",
            {
                "failing_since": since.isoformat(),
                "failures": breaker.failures,
                "disabled_at": (since + timedelta(seconds=LADDER[-1])).isoformat(),
            },
        )


def disable_endpoints(addresses: Mapping[UUID, str], reason: str) -> list[UUID]:
    """Disable endpoints that still have the address the attempts went to, and publish it. Return those disabled now."""
    # Ordered, because each locks its tenant until the transaction ends, and another drain may do the same.
    rows = Endpoint.objects.filter(id__in=addresses.keys()).select_related("http").order_by("tenant", "id")
    disabled = [row for row in rows if row.address == addresses[row.id] and disable(row, reason)]
    for row in disabled:
        telemetry.endpoint_disabled(row.id, reason)
        _publish_about([row.id], "waypost.endpoint.disabled", {"reason": reason})
    return [row.id for row in disabled]


def publish_dead_letters(delivery_ids: Sequence[UUID]) -> None:
    """Publish that these deliveries are dead."""
    for begin in range(0, len(delivery_ids), BATCH):
        _publish_dead_letters(delivery_ids[begin : begin + BATCH])


def _publish_dead_letters(delivery_ids: Sequence[UUID]) -> None:
    letters = DeadLetter.objects.filter(delivery__in=delivery_ids, replayed_at=None)
    by_tenant: dict[UUID, list[dict[str, Any]]] = {}
    for letter in letters.select_related("delivery__event").defer("delivery__event__body", "delivery__body"):
        if not letter.delivery.event.type.startswith(OPERATIONAL):
            by_tenant.setdefault(letter.tenant_id, []).append(_describe(letter))
    for tenant in Tenant.objects.filter(id__in=by_tenant):
        _publish(tenant, "waypost.delivery.dead", by_tenant[tenant.id])


def _describe(letter: DeadLetter) -> dict[str, Any]:
    return {
        "dead_letter": letter.public_id,
        "delivery": letter.delivery.public_id,
        "event": letter.delivery.event.public_id,
        "event_type": letter.delivery.event.type,
        "endpoint": Endpoint(id=letter.endpoint_id).public_id,
        "cause": letter.cause,
        "attempts": letter.attempts,
        "last_status": letter.last_status,
        "last_error": letter.last_error,
    }


def _publish_about(endpoint_ids: Iterable[UUID], event_type: str, data: dict[str, Any]) -> None:
    for endpoint in Endpoint.objects.filter(id__in=endpoint_ids).select_related("tenant", "http"):
        _publish(endpoint.tenant, event_type, [{"endpoint": endpoint.public_id, "url": endpoint.address, **data}])


def _publish(tenant: Tenant, event_type: str, data: Sequence[Mapping[str, Any]]) -> None:
    try:
        if current_route_table(tenant.id).has_type(event_type):
            publish(tenant, [{"type": event_type, "source": SOURCE, "data": each} for each in data])
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:  # an operational event must not stop the deliveries it is about
        telemetry.operational_event_failed(tenant.id, event_type, error)
