"""Make the event of a test delivery, and render it as the endpoint's subscription would."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from delivery.fan_out.budget import slice_budget
from delivery.fan_out.deliveries import RoutedEvent, next_deliveries, unsubscribed_delivery
from delivery.models import Event as StoredEvent
from subscriptions.errors import Invalid
from subscriptions.event_types.masks import apply_masks, masks_of
from subscriptions.models import Endpoint, EventType
from subscriptions.routing.snapshot import current_route_table, route_to
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.ids import new_id, public, urn

TEST_TYPE = "waypost.test"
DEFAULT_DATA = {"test": True}


@dataclass(frozen=True, slots=True)
class TestEvent:
    """Hold an event to send. ``rendered``: ``body`` is what the endpoint's subscription makes of it."""

    __test__ = False  # not for pytest

    key: UUID
    body: bytes
    rendered: bool = False
    content_type: str | None = None


def stored_event(event: StoredEvent) -> TestEvent:
    """Return a published event as it was stored."""
    return TestEvent(event.id, bytes(event.body))


def new_event(endpoint: Endpoint, type: str = TEST_TYPE, data: Any = None) -> TestEvent:
    """Make an event that is not stored. Without ``data`` it has the first example of its type, else DEFAULT_DATA.

    Raises InvalidEvent for a type or data that no event can have.
    """
    key = new_id()
    attributes = {
        "specversion": "1.0",
        "id": public("evt", key),
        "source": urn("tnt", endpoint.tenant_id),
        "type": type,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    given = _sample(endpoint.tenant_id, type) if data is None else data
    event = Event.of(attributes, given)
    masks = () if endpoint.unmasked else masks_of(endpoint.tenant_id, type)
    return TestEvent(key, write_structured(apply_masks(endpoint.tenant_id, event, masks)))


def as_subscribed(endpoint: Endpoint, event: TestEvent) -> TestEvent:
    """Return the event as the endpoint's oldest matching subscription sends it: transformed, or with a link.

    An event that no subscription matches is masked for the endpoint, and else stays as it is. Raises Invalid if the
    transformation fails.
    """
    expires_at = datetime.now(UTC) + timedelta(days=endpoint.tenant.retention_days)
    routed = RoutedEvent(endpoint.tenant_id, event.key, read_structured(event.body), int(expires_at.timestamp()))
    routes = current_route_table(endpoint.tenant_id)
    found = next_deliveries(routes, routed, None, slice_budget(), endpoint_id=endpoint.pk).deliveries
    found = found or [unsubscribed_delivery(route_to(endpoint), routed)]
    if found[0].body is None and found[0].reason is None:
        return event
    if found[0].body is None:
        raise Invalid("data", f"The transformer of the subscription fails: {found[0].reason}")
    return TestEvent(event.key, found[0].body, rendered=found[0].form is None, content_type=found[0].content_type)


def _sample(tenant_id: UUID, name: str) -> Any:
    """Return the first example of an event type, of the tenant's own before the platform's; else DEFAULT_DATA."""
    rows = EventType.objects.filter(Q(tenant=tenant_id) | Q(tenant=None), name=name)
    known = rows.order_by(F("tenant").asc(nulls_last=True)).first()
    return known.examples[0] if known is not None and known.examples else DEFAULT_DATA
