"""Publish a received webhook: the ``publish`` handler of a source, which fans received messages out to endpoints.

The receiver loads it by its dotted path and does not import it; it uses only the attributes of a receipt listed below.
It runs in the transaction that settles the receipt, so that both are committed or neither.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from delivery.publishing.publisher import publish
from delivery.publishing.results import Published
from subscriptions.models import Tenant
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.http_modes import read
from webhooks.wire.envelopes import Message, open_message, wrap_message
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import public

HOP_COUNT = "hopcount"  # our extension attribute: how often the event was published from a receipt
MAX_HOPS = 8


class Source(Protocol):
    """The attributes of a source that are used here."""

    id: UUID
    tenant_id: UUID | None
    envelope: str


class Receipt(Protocol):
    """The attributes of a receipt that are used here."""

    message_id: str
    event_type: str
    content_type: str
    headers: Mapping[str, str]

    @property
    def source(self) -> Source:
        """The source that received it."""

    def content(self) -> bytes:
        """Read the body, decompressed."""


def publish_receipt(receipt: Receipt) -> list[Published]:
    """Publish the events in a receipt, or the receipt itself as one event, for the tenant of its source.

    Raises Tenant.DoesNotExist if the source has no tenant, and PublishError if the content cannot be published; the
    receiver then retries the receipt, and finally dead-letters it. Raises UnopenedEnvelope if the receipt does not have
    the envelope that its source names, which dead-letters it at once.
    """
    tenant = Tenant.objects.filter(deleted_at=None).get(id__in=[receipt.source.tenant_id])
    return publish(tenant, _events(receipt))


def _events(receipt: Receipt) -> list[Event | InvalidEvent | Mapping[str, Any]]:
    headers = {**{name.lower(): value for name, value in receipt.headers.items()}, "content-type": receipt.content_type}
    message = Message(headers, receipt.content(), receipt.message_id, _source_uri(receipt))
    opened = open_message(receipt.source.envelope, message)
    if opened is None:
        opened = [_with_passed_hops(wrap_message(message, receipt.event_type), message)]
    return [_count_hop(it) for it in opened]


def _with_passed_hops(event: Event, message: Message) -> Event:
    """Give the event the hop count of the CloudEvent that is its data, so that a loop ends there too."""
    try:
        passed = [it.attributes[HOP_COUNT] for it in read(message.headers, message.body) if HOP_COUNT in it.attributes]
    except InvalidEvent:
        return event
    return replace(event, attributes={**event.attributes, HOP_COUNT: passed[0]}) if passed else event


def _count_hop(event: Event) -> Event | InvalidEvent:
    """Increment the hop count, and reject the event above MAX_HOPS: an endpoint that is one of our sources loops."""
    passed = event.attributes.get(HOP_COUNT, "0")
    hops = int(passed) + 1 if passed.isdecimal() and passed.isascii() and len(passed) < len(str(2**31)) else 1
    if hops > MAX_HOPS:
        return InvalidEvent(HOP_COUNT, f"must not exceed {MAX_HOPS}: the event is published in a loop")
    typed = {name: value for name, value in event.typed.items() if name != HOP_COUNT}
    return replace(event, attributes={**event.attributes, HOP_COUNT: str(hops)}, typed=typed)


def _source_uri(receipt: Receipt) -> str:
    return f"urn:waypost:{public('src', receipt.source.id)}"
