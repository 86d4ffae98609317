"""Publish what was received: the handler ``publish`` of a source, by which inbound webhooks fan out to endpoints.

The receiver names it by its dotted path and knows nothing of it; it knows nothing of the receiver but what a receipt
has to offer. It runs in the transaction in which the receipt is settled, so both happen or neither.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import IO, Any, Protocol
from uuid import UUID

from delivery.publishing.publisher import Published, publish
from subscriptions.models import Tenant
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.http_modes import read
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import public

__all__ = ["publish_receipt"]

HOPS = "hopcount"  # an extension of ours: how often an event has been published from a receipt
MOST_HOPS = 8
UNNAMED = "webhook.received"  # the type of an event whose sender named none


class Source(Protocol):
    id: UUID
    tenant_id: UUID | None


class Receipt(Protocol):
    message_id: str
    event_type: str
    content_type: str
    headers: Mapping[str, str]

    @property
    def source(self) -> Source: ...
    def open(self) -> IO[bytes]: ...


def publish_receipt(receipt: Receipt) -> list[Published]:
    """Publish a receipt as events of the tenant that owns its source: the CloudEvents it holds, or itself as one.

    Raises Tenant.DoesNotExist if nobody owns it, InvalidEvent if it cannot be one: the receipt is then tried again,
    and becomes a dead one.
    """
    tenant = Tenant.objects.filter(deleted_at=None).get(id__in=[receipt.source.tenant_id])
    published = publish(tenant, _events(receipt))
    for result in published:
        if result.error is not None:
            raise result.error
    return published


def _events(receipt: Receipt) -> list[Event | InvalidEvent | Mapping[str, Any]]:
    with receipt.open() as stream:
        body = stream.read()
    try:
        return [_one_hop_further(it) for it in read({**receipt.headers, "content-type": receipt.content_type}, body)]
    except InvalidEvent:
        return [_one_hop_further(_wrapped(receipt, body))]


def _one_hop_further(event: Event) -> Event | InvalidEvent:
    """What goes round, because somebody's endpoint is a source of ours, does not go round for ever."""
    passed = event.attributes.get(HOPS, "0")
    hops = int(passed) + 1 if passed.isdecimal() and passed.isascii() and len(passed) < len(str(2**31)) else 1
    if hops > MOST_HOPS:
        return InvalidEvent(HOPS, f"says that it has been published from receipts {MOST_HOPS} times: it goes round")
    return replace(event, attributes={**event.attributes, HOPS: str(hops)})


def _wrapped(receipt: Receipt, body: bytes) -> Event:
    attributes = {
        "specversion": "1.0",
        "id": receipt.message_id,
        "source": f"urn:waypost:{public('src', receipt.source.id)}",
        "type": receipt.event_type or UNNAMED,
    }
    if receipt.content_type:
        attributes["datacontenttype"] = receipt.content_type
    return Event.with_bytes(attributes, body)
