"""Publish to endpoints of a journey, and read what became of the deliveries."""

from typing import Any
from uuid import UUID

from delivery.models import Attempt, Delivery
from delivery.publishing.publisher import publish
from subscriptions.models import Endpoint
from tests.factories import make_endpoint, make_subscription


def subscribed_endpoint(url: str, **changes: Any) -> Endpoint:
    """Create an endpoint with a subscription to all events and a timeout of a second, so that claims expire soon."""
    return make_subscription(make_endpoint(**{"url": url, "timeout_ms": 1_000, **changes})).endpoint


def publish_to(endpoint: Endpoint, count: int = 1) -> list[UUID]:
    """Publish this many events and return their ids."""
    results = publish(endpoint.tenant, [{"type": "order.created", "data": {"n": n}} for n in range(count)])
    return [it.key for it in results if it.key]


def delivered(endpoint: Endpoint) -> int:
    """Count the delivered deliveries of an endpoint."""
    return Delivery.objects.filter(endpoint=endpoint, state="delivered").count()


def history(delivery_id: UUID) -> list[str]:
    """Return how each attempt ended, in order of start; `unknown` was recorded by the sweep."""
    return list(Attempt.objects.filter(delivery=delivery_id).order_by("id").values_list("error", flat=True))
