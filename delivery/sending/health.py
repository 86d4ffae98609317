"""Tell a tenant about its endpoints before it has to ask, and switch off what has failed for days.

The ladder: after an hour, a day and three days of nothing but failures the tenant is warned; after five the endpoint
is disabled, and at once when it answers 410. A success ends the ladder, and says so if there had been a warning.

Each step is an operational event of the platform, published like any other: a subscription that names
``waypost.endpoint.failing`` (or ``waypost.*``) gets it; ``*`` does not, and nothing is said about the deliveries of
operational events themselves, so that bad news never breeds. Writes happen only on change. News that cannot be told
(its tenant has a subscription that nobody can read, say) are put on record and stop nobody.
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
from subscriptions.endpoints.endpoints import disable
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.routes import OPERATIONAL, current_routes

__all__ = ["steps_due", "switch_off", "tell_dead", "tell_step"]

SOURCE = "urn:waypost"
HOUR, DAY = 3_600.0, 86_400.0
BATCH = 500  # pieces of news in one transaction
LADDER = (1 * HOUR, 1 * DAY, 3 * DAY, 5 * DAY)  # of nothing but failures; the last one disables


def steps_due(told: int, failing_since: float | None, now: float) -> int:
    """How many steps of the ladder hold now. Instants in unix seconds."""
    if failing_since is None:
        return 0
    return max(told, sum(now - failing_since >= step for step in LADDER))


def tell_step(endpoint_id: UUID, url: str, steps: int, breaker: Breaker) -> None:
    """The endpoint stands on this step now: 0 recovered, the last one disables it, the others are warnings."""
    if steps == len(LADDER):
        switch_off({endpoint_id: url}, Endpoint.DisabledReason.FAILING)
    elif steps == 0:
        _tell([endpoint_id], "waypost.endpoint.recovered", {})
    else:
        since = datetime.fromtimestamp(breaker.failing_since or 0.0, UTC)
        _tell(
            [endpoint_id],
            "waypost.endpoint.failing",
            {
                "failing_since": since.isoformat(),
                "failures": breaker.failures,
                "disabled_at": (since + timedelta(seconds=LADDER[-1])).isoformat(),
            },
        )


def switch_off(urls: Mapping[UUID, str], reason: str) -> list[UUID]:
    """Disable these endpoints and say so, once, unless they have moved from the URL that was sent to. Which ones."""
    # In an order of their own: each holds its tenant until the transaction ends, and others may be at it too.
    rows = Endpoint.objects.filter(id__in=urls.keys()).order_by("tenant", "id") if urls else ()
    off = [row for row in rows if row.url == urls[row.id] and disable(row, reason)]
    for row in off:
        telemetry.endpoint_disabled(row.id, reason)
        _tell([row.id], "waypost.endpoint.disabled", {"reason": reason})
    return [row.id for row in off]


def tell_dead(delivery_ids: Sequence[UUID]) -> None:
    """These deliveries have been given up."""
    for begin in range(0, len(delivery_ids), BATCH):
        _tell_dead(delivery_ids[begin : begin + BATCH])


def _tell_dead(delivery_ids: Sequence[UUID]) -> None:
    letters = DeadLetter.objects.filter(delivery__in=delivery_ids, redriven_at=None)
    news: dict[UUID, list[dict[str, Any]]] = {}
    for letter in letters.select_related("delivery__event").defer("delivery__event__body", "delivery__body"):
        if not letter.delivery.event.type.startswith(OPERATIONAL):
            news.setdefault(letter.tenant_id, []).append(_about(letter))
    for tenant in Tenant.objects.filter(id__in=news):
        _publish(tenant, "waypost.delivery.dead", news[tenant.id])


def _about(letter: DeadLetter) -> dict[str, Any]:
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


def _tell(endpoint_ids: Iterable[UUID], event_type: str, about: dict[str, Any]) -> None:
    for endpoint in Endpoint.objects.filter(id__in=endpoint_ids).select_related("tenant"):
        _publish(endpoint.tenant, event_type, [{"endpoint": endpoint.public_id, "url": endpoint.url, **about}])


def _publish(tenant: Tenant, event_type: str, news: Sequence[Mapping[str, Any]]) -> None:
    try:
        if current_routes(tenant.id).names(event_type):
            publish(tenant, [{"type": event_type, "source": SOURCE, "data": about} for about in news])
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        telemetry.news_failed(tenant.id, event_type, error)
