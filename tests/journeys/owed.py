"""What journeys publish, to whom, and what is written about it."""

from typing import Any
from uuid import UUID

from delivery.models import Attempt, Delivery
from delivery.publishing.publisher import publish
from subscriptions.models import Endpoint
from tests.factories import make_endpoint, make_subscription


def subscribed(url: str, **changes: Any) -> Endpoint:
    """An endpoint that wants everything. Its deadline is a second, so that claims on it run out soon."""
    return make_subscription(make_endpoint(**{"url": url, "timeout_ms": 1_000, **changes})).endpoint


def publish_to(endpoint: Endpoint, count: int = 1) -> list[UUID]:
    """The ids of that many new events."""
    results = publish(endpoint.tenant, [{"type": "order.created", "data": {"n": n}} for n in range(count)])
    return [it.id for it in results if it.id]


def delivered(endpoint: Endpoint) -> int:
    return Delivery.objects.filter(endpoint=endpoint, state="delivered").count()


def history(delivery_id: UUID) -> list[str]:
    """How each attempt ended, in the order in which they were begun (an `unknown` one: found out)."""
    return list(Attempt.objects.filter(delivery=delivery_id).order_by("id").values_list("error", flat=True))
