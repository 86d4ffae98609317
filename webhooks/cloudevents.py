"""Read receipts as events of the CloudEvents SDK for Python, and write such events as messages in each content mode.

    from webhooks.cloudevents import events_of

    @handles("payments")
    def book(receipt):
        for event in events_of(receipt):
            if event.get_type() == "order.paid":
                book_order(event.get_subject(), event.get_data())

For handlers and tests that use the package ``cloudevents`` anyway. It is imported by nothing else here: what is stored
and sent is read by ``webhooks.wire.cloudevents``, which keeps bytes and rejects what the SDK accepts.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, cast

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from webhooks.models import Receipt
from webhooks.wire.cloudevents.http_modes import BATCH
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.envelopes import Message, open_message, wrap_message
from webhooks.wire.ids import urn

Mode = Literal["structured", "binary", "batch"]

_FORMAT = JSONFormat()
_WRITERS: dict[Mode, Callable[[BaseCloudEvent], http.HTTPMessage]] = {
    "structured": http.to_structured_event,
    "binary": http.to_binary_event,
}


def events_of(receipt: Receipt) -> list[CloudEvent]:
    """Return the events in a receipt: those in its envelope, or the message itself as the data of one event.

    These are the events that the handler ``publish`` publishes. An event without a time gets the time of the receipt,
    since the SDK would choose the present. The SDK parses the data, so fractions are rounded to floats. Raises
    UnreadableBody, after which the receipt is not retried.
    """
    message = Message(
        receipt.body_headers(),
        receipt.content(),
        receipt.message_id,
        urn("src", receipt.source_id),
    )
    opened = open_message(receipt.source.envelope, message)
    if opened is None:
        opened = [wrap_message(message, receipt.event_type)]
    read = partial(_FORMAT.read, _with_time(receipt))
    return [cast(CloudEvent, read(write_structured(event))) for event in opened]


def message_of(events: Sequence[BaseCloudEvent], mode: Mode = "structured") -> http.HTTPMessage:
    """Return the message with these events, written by the SDK: ``headers`` and ``body``.

    Raises ValueError for any number of events but one in the modes structured and binary.
    """
    if mode == "batch":
        items = b",".join(_FORMAT.write(event) for event in events)
        return http.HTTPMessage({"content-type": BATCH}, b"[" + items + b"]")
    if len(events) != 1:
        raise ValueError(f"A message in {mode} mode has one event: use the mode batch for {len(events)}.")
    return _WRITERS[mode](events[0])


def _with_time(receipt: Receipt) -> Callable[..., CloudEvent]:
    return lambda attributes, data: CloudEvent({"time": receipt.received_at, **attributes}, data)
