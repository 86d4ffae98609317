"""Describe what is sent to a destination that is not called by its URL: one delivery as a message with attributes.

PURE: the time is passed in. The body and the id are the same for every attempt and replay; only the timestamp and the
signature are new.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from delivery.sql.claim import Claimed
from delivery.transports.http.compose import CLOUDEVENT_CONTENT_TYPE, content_type_of
from webhooks.kit.tracing.context import HEADER as TRACEPARENT
from webhooks.wire.cloudevents.http_modes import Event
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.header_values import read_curl_line
from webhooks.wire.ids import public
from webhooks.wire.message_values import parse
from webhooks.wire.signing.standard_webhooks import Signer

ID, TIMESTAMP, SIGNATURE, CONTENT_TYPE = "webhook-id", "webhook-timestamp", "webhook-signature", "content-type"


@dataclass(frozen=True)
class Message:
    """Hold one message.

    ``id``: that of the event, the same for every attempt, replay and endpoint. ``body``: the CloudEvent as JSON
    (``is_event``), or what the subscription's transformer rendered. ``order_key``: deliveries with the same key are
    sent one after the other; None: in any order. ``timestamp``: unix seconds. ``signature``: that of Standard Webhooks
    over id, timestamp and body. ``signer``: what signs other bytes, for kinds that do not send the body as it is.
    ``traceparent``: the trace context of the attempt.
    """

    id: str
    body: bytes
    content_type: str
    is_event: bool
    order_key: str | None
    timestamp: int
    signature: str = field(repr=False)
    signer: Signer | None = field(default=None, repr=False, compare=False)
    traceparent: str | None = None

    def sign(self, body: bytes) -> str:
        """Return the signature over id, timestamp and these bytes. Raises LookupError without a signer."""
        if self.signer is None:
            raise LookupError("the message has no signer")
        return self.signer.sign(self.id, self.timestamp, body)

    @property
    def attributes(self) -> dict[str, str]:
        """The headers of Standard Webhooks and the content type: for destinations whose messages have attributes."""
        return {
            ID: self.id,
            TIMESTAMP: str(self.timestamp),
            SIGNATURE: self.signature,
            CONTENT_TYPE: self.content_type,
            **({TRACEPARENT: self.traceparent} if self.traceparent else {}),
        }

    @cached_property
    def document(self) -> Any:
        """The body as JSON, with numbers as they are written (``message_values.Number``); None if it is none."""
        return parse(self.body)

    @cached_property
    def event(self) -> Event | None:
        """The CloudEvent in the body, also one that a transformer rendered; None if the body is none."""
        try:
            return read_structured(self.body)
        except InvalidEvent:
            return None

    @property
    def event_attributes(self) -> Mapping[str, str]:
        """The attributes of the CloudEvent in the body; empty if the body is none."""
        return {} if self.event is None else self.event.attributes


def message_of(claimed: Claimed, signer: Signer, now: float) -> Message:
    """Return the message of a claimed delivery, signed at ``now`` (unix seconds)."""
    message_id, timestamp = public("evt", claimed.event_id), int(now)
    is_own = claimed.rendered
    line = content_type_of(claimed.body, claimed.content_type) if is_own else CLOUDEVENT_CONTENT_TYPE
    return Message(
        id=message_id,
        body=claimed.body,
        content_type=read_curl_line(line[0])[1] or "",
        is_event=not is_own,
        order_key=claimed.order_key,
        timestamp=timestamp,
        signature=signer.sign(message_id, timestamp, claimed.body),
        signer=signer,
        traceparent=claimed.traceparent,
    )
