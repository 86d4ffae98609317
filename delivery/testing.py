"""Capture the events that a test publishes, and sign requests to test a receiver with, in the tests of a project.

    from delivery.testing import captured_events

    def test_paid_order_is_published(self):
        with captured_events() as events:
            pay(order)
        self.assertEqual([(it.type, it.data) for it in events], [("order.paid", {"number": "A-1"})])
        self.assertEqual(events[0].endpoints, ["https://acme.example/hooks"])

Nothing is sent in a test: no worker runs, and Django's TestCase rolls everything back.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from delivery.models import Delivery, Event
from subscriptions.models import Tenant
from webhooks.wire.cloudevents.event import Event as CloudEvent
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import new_id, public
from webhooks.wire.signing import sign


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """An event that was published: for whom, its attributes and data, and the URLs that it will be sent to."""

    tenant: Tenant
    id: str
    attributes: dict[str, Any]
    data: Any
    endpoints: list[str]

    @property
    def type(self) -> str:
        """Return the event type, such as order.paid."""
        return str(self.attributes["type"])


@dataclass(frozen=True, slots=True)
class SignedSample:
    """A request as an endpoint receives it."""

    headers: dict[str, str]
    body: bytes


@contextmanager
def captured_events() -> Iterator[list[CapturedEvent]]:
    """Yield a list that has, after the block, the events that were published in it, in order."""
    known = set(Event.objects.values_list("pk", flat=True))
    events: list[CapturedEvent] = []
    yield events
    events += captured_since(known)


def captured_since(known: Collection[UUID]) -> list[CapturedEvent]:
    """Return the events that are none of these, in the order in which they were published."""
    rows = Event.objects.exclude(pk__in=known).select_related("tenant").order_by("pk")
    return [_captured(row) for row in rows]


def _captured(row: Event) -> CapturedEvent:
    members = orjson.loads(bytes(row.body))
    deliveries = (
        Delivery.objects.filter(event=row).select_related("endpoint__http", "endpoint__destination").order_by("pk")
    )
    endpoints = [it.endpoint.address for it in deliveries]
    return CapturedEvent(row.tenant, row.public_id, members, members.pop("data", None), endpoints)


def signed_sample(secret: str, event: Mapping[str, Any], *, message_id: str = "") -> SignedSample:
    """Return an event in the plain form as an endpoint with this secret receives it now.

    ``event``: at least ``type``; ``data`` is a JSON value. ``message_id``: the ``webhook-id``, by default a new one.
    """
    event_id = message_id or public(Event.prefix, new_id())
    attributes = {name: value for name, value in event.items() if name != "data"}
    filled = {"id": event_id, "source": "urn:waypost:test", **attributes}
    written = CloudEvent.of(filled, event["data"]) if "data" in event else CloudEvent.of(filled)
    body, now = write_structured(written), int(time.time())
    headers = {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": event_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, event_id, now, body),
    }
    return SignedSample(headers, body)
