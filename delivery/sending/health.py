"""Warn tenants about failing endpoints, and disable endpoints that have failed for days.

The warning ladder: after an hour, a day and three days of failures only, the tenant is warned; after five days the
endpoint is disabled, and at once when it reports that it is gone. A success ends the ladder, and is published if there
had been a warning.

Each step is an operational event of the platform: a subscription that names ``waypost.endpoint.failing`` (or
``waypost.*``) receives it; ``*`` does not. Dead letters of operational events are not published, so that they cannot
multiply. The events are stored by one statement and routed by a worker (``publishing.operational_events``): what a
tenant subscribes to costs the others nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from delivery import telemetry
from delivery.models import DeadLetter
from delivery.publishing.operational_events import publish_operational
from delivery.sending.breaker import Breaker
from subscriptions.endpoints.state import disable
from subscriptions.models import Endpoint
from subscriptions.routing.route_table import OPERATIONAL

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
        _publish_about(_existing([endpoint_id]), "waypost.endpoint.recovered", {})
    else:
        since = datetime.fromtimestamp(breaker.failing_since or 0.0, UTC)
        _publish_about(
            _existing([endpoint_id]),
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
    _publish_about(disabled, "waypost.endpoint.disabled", {"reason": reason})
    return [row.id for row in disabled]


def publish_dead_letters(delivery_ids: Sequence[UUID]) -> None:
    """Publish that these deliveries are dead."""
    for begin in range(0, len(delivery_ids), BATCH):
        _publish_dead_letters(delivery_ids[begin : begin + BATCH])


def _publish_dead_letters(delivery_ids: Sequence[UUID]) -> None:
    letters = DeadLetter.objects.filter(delivery__in=delivery_ids, replayed_at=None)
    found = letters.select_related("delivery__event").defer("delivery__event__body", "delivery__body")
    about = [it for it in found if not it.delivery.event.type.startswith(OPERATIONAL)]
    publish_operational("waypost.delivery.dead", [(it.tenant_id, _describe(it)) for it in about])


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


def _existing(endpoint_ids: Sequence[UUID]) -> list[Endpoint]:
    return list(Endpoint.objects.filter(id__in=endpoint_ids).select_related("http"))


def _publish_about(endpoints: Sequence[Endpoint], event_type: str, data: dict[str, Any]) -> None:
    about = [(it.tenant_id, {"endpoint": it.public_id, "url": it.address, **data}) for it in endpoints]
    publish_operational(event_type, about)
