"""Publish a received webhook: the ``publish`` handler of a source, which fans received messages out to endpoints.

The receiver loads it by its dotted path and does not import it; it uses only the attributes of a receipt listed below.
It runs in the transaction that settles the receipt, so that both are committed or neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from django.db import Error, transaction

from delivery.publishing.prepare import Item
from delivery.publishing.publisher import publish, publish_each
from delivery.publishing.results import Published, PublishError
from subscriptions.models import Tenant
from webhooks.kit.tracing.context import HEADER as TRACEPARENT
from webhooks.kit.tracing.context import valid
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.http_modes import read
from webhooks.wire.envelopes import Message, open_message, wrap_message
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import urn

HOP_COUNT = "hopcount"  # our extension attribute: how often the event was published from a receipt
MAX_HOPS = 8
NO_TENANT = "The source belongs to no tenant, or its tenant was deleted."


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


Prepare = Callable[[Sequence[Event | InvalidEvent]], Sequence[Event | InvalidEvent]]
"""Changes the events of a receipt before they are published: the steps of the handler."""


def publish_receipt(receipt: Receipt, prepare: Prepare | None = None) -> list[Published]:
    """Publish the events in a receipt, or the receipt itself as one event, for the tenant of its source.

    Raises Tenant.DoesNotExist if the source has no tenant, and PublishError if the content cannot be published; the
    receiver then retries the receipt, and finally dead-letters it. Raises UnopenedEnvelope if the receipt does not have
    the envelope that its source names, which dead-letters it at once.
    """
    tenant = Tenant.objects.filter(deleted_at=None, id__in=[receipt.source.tenant_id]).first()
    if tenant is None:
        raise Tenant.DoesNotExist(NO_TENANT)
    events = _events(receipt)
    return publish(tenant, events if prepare is None else list(prepare(events)))


def publish_receipts(receipts: Sequence[Receipt]) -> list[Exception | None]:
    """Publish many receipts as ``publish_receipt`` publishes each, in their order; return the error of each, or None.

    Those with one event are published by one call for their tenant. Raises django.db.Error, and then none is published.
    """
    errors: list[Exception | None] = [None] * len(receipts)
    single: list[_Single] = []
    for index, receipt in enumerate(receipts):
        try:
            events = _events(receipt)
        except Exception as error:
            errors[index] = error
            continue
        if len(events) == 1:
            single.append((index, receipt.source.tenant_id, events[0], _traceparent(receipt)))
            continue
        _publish_single(single, errors)  # first: receipts are published in their order
        single = []
        errors[index] = _publish_alone(receipt)
    _publish_single(single, errors)
    return errors


def _publish_alone(receipt: Receipt) -> Exception | None:
    """Publish all events of a receipt or none; return the error. Raises django.db.Error."""
    try:
        with transaction.atomic():
            publish_receipt(receipt)
    except Error:
        raise
    except Exception as error:
        return error
    return None


_Single = tuple[int, UUID | None, Item, str | None]
"""The index of a receipt, its tenant, its event and its trace context."""


def _publish_single(members: Sequence[_Single], errors: list[Exception | None]) -> None:
    """Publish the events of receipts that have one each, by one call a tenant; store the errors by index."""
    by_tenant: dict[UUID | None, list[_Single]] = {}
    for member in members:
        by_tenant.setdefault(member[1], []).append(member)
    tenants = Tenant.objects.filter(deleted_at=None).in_bulk([it for it in by_tenant if it is not None])
    for tenant_id, own in by_tenant.items():
        tenant = None if tenant_id is None else tenants.get(tenant_id)
        if tenant is None:
            for index, *_ in own:
                errors[index] = Tenant.DoesNotExist(NO_TENANT)
            continue
        traceparents = [traceparent for *_, traceparent in own]
        published = publish_each(tenant, [event for _, _, event, _ in own], traceparents=traceparents)
        for (index, *_), result in zip(own, published, strict=True):
            errors[index] = None if result.error is None else PublishError(result.error, 0, 1)


def _traceparent(receipt: Receipt) -> str | None:
    return valid(next((value for name, value in receipt.headers.items() if name.lower() == TRACEPARENT), None))


def _events(receipt: Receipt) -> list[Event | InvalidEvent]:
    headers = {**{name.lower(): value for name, value in receipt.headers.items()}, "content-type": receipt.content_type}
    message = Message(headers, receipt.content(), receipt.message_id, urn("src", receipt.source.id))
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
