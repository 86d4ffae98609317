"""Create one delivery for each route that matches an event (fan-out).

Used by publishing and by replays of past events. The bytes of a delivery are fixed here: transformed, a reference, or
(no body) those of the event.
"""

from dataclasses import dataclass
from uuid import UUID

from delivery.models import Delivery
from delivery.publishing.references import reference_body, wants_reference
from subscriptions.models import Endpoint
from subscriptions.routing.route_table import Route, RouteTable
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.ids import new_id
from webhooks.wire.transform import Unrenderable


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery that is not stored yet. With a ``reason`` its transformation failed: it is dead from the start."""

    key: UUID
    endpoint_id: UUID
    order_key: str | None = None
    body: bytes | None = None
    is_reference: bool = False
    reason: str | None = None

    @property
    def state(self) -> Delivery.State:
        """Pending, or dead if the transformation failed."""
        return Delivery.State.PENDING if self.reason is None else Delivery.State.DEAD


def create_deliveries(
    routes: RouteTable, event: Event, event_key: UUID, expires_at: int, *, endpoint_id: UUID | None = None
) -> list[NewDelivery]:
    """Return a delivery for each matching route, or only for the route to this endpoint.

    ``expires_at``: unix seconds until when the event is kept, and a link to its data is valid.
    """
    found = routes.find(event.attributes["type"], event.document)
    return [
        _new_delivery(route, event, event_key, expires_at)
        for route in found
        if endpoint_id in (None, route.endpoint_id)
    ]


def _new_delivery(route: Route, event: Event, event_key: UUID, expires_at: int) -> NewDelivery:
    key = order_key(route.ordering, event)
    if wants_reference(route, event):
        body = reference_body(event, event_key, route.endpoint_id, expires_at)
        return NewDelivery(new_id(), route.endpoint_id, key, body, is_reference=True)
    if route.transformer is None:
        return NewDelivery(new_id(), route.endpoint_id, key)
    try:
        return NewDelivery(new_id(), route.endpoint_id, key, body=route.transformer.render(event.document()))
    except Unrenderable as error:
        return NewDelivery(new_id(), route.endpoint_id, reason=str(error))


def order_key(ordering: str, event: Event) -> str | None:
    """Return the key that an endpoint of this ordering delivers the event under; None if it is not ordered.

    Events without the attribute that the ordering names share the empty key.
    """
    if not ordering:
        return None
    return "" if ordering == Endpoint.Ordering.ENDPOINT else event.attributes.get(ordering, "")
