"""What one route owes for one event: which bytes, in which order, or the reason why it cannot be rendered.

A route and an event in, a value out; the key is new. Publishing owes so, and so does a replay of the past.
"""

from dataclasses import dataclass
from uuid import UUID

from delivery.publishing.references import is_thin, thinned
from subscriptions.models import Endpoint
from subscriptions.routing.route_table import Route
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.ids import new_id
from webhooks.wire.transform import Unrenderable

__all__ = ["Owing", "order_key", "owing"]


@dataclass(frozen=True, slots=True)
class Owing:
    """A delivery on its way into the tables. ``reason``: it is dead at once, because it could not be rendered."""

    key: UUID
    endpoint_id: UUID
    order_key: str | None = None
    body: bytes | None = None
    thin: bool = False
    reason: str | None = None

    @property
    def state(self) -> str:
        return "pending" if self.reason is None else "dead"


def owing(route: Route, event: Event, event_key: UUID, kept_until: int) -> Owing:
    """The delivery of this event by this route. The event is kept under ``event_key`` until that unix second: for so
    long its data can be fetched, if the endpoint gets a link instead."""
    key = order_key(route.ordering, event)
    if is_thin(route, event):
        body = thinned(event, event_key, route.endpoint_id, kept_until)
        return Owing(new_id(), route.endpoint_id, key, body, thin=True)
    if route.transformer is None:
        return Owing(new_id(), route.endpoint_id, key)
    try:
        return Owing(new_id(), route.endpoint_id, key, body=route.transformer.render(event.document()))
    except Unrenderable as error:
        return Owing(new_id(), route.endpoint_id, reason=str(error))


def order_key(ordering: str, event: Event) -> str | None:
    """The key under which an endpoint of this ordering wants the event in its turn; events without the attribute
    share one. None: in no order."""
    if not ordering:
        return None
    return "" if ordering == Endpoint.Ordering.ENDPOINT else event.attributes.get(ordering, "")
