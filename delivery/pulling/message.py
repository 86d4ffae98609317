"""Compose the message that a consumer gets: the bytes and the headers that an endpoint would be sent over HTTP.

PURE: the time is passed in.
"""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from delivery.models import Delivery
from delivery.sql.claim import Claimed, attempt_number
from delivery.transports.http.compose import superseded_lines
from delivery.transports.message import message_of
from webhooks.wire.header_values import read_curl_line
from webhooks.wire.ids import public
from webhooks.wire.signing.standard_webhooks import Signer

UTF8, BASE64 = "utf-8", "base64"


@dataclass(frozen=True, slots=True)
class PulledMessage:
    """One message. ``attempt``: the number of this attempt, from 1. ``visibility``: seconds to acknowledge it."""

    delivery_id: UUID
    attempt: int
    visibility: int
    order_key: str | None
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def shown(self) -> dict[str, Any]:
        """Return the message as JSON has it: the body as text, in base64 if it is no UTF-8."""
        try:
            body, encoding = self.body.decode(), UTF8
        except UnicodeDecodeError:
            body, encoding = b64encode(self.body).decode(), BASE64
        return {
            "id": public(Delivery.prefix, self.delivery_id),
            "attempt": self.attempt,
            "acknowledge_within": self.visibility,
            "order_key": self.order_key,
            "headers": self.headers,
            "body": body,
            "encoding": encoding,
        }


def message_for_consumer(claimed: Claimed, signer: Signer, now: float, visibility: int) -> PulledMessage:
    """Return the message of a claimed delivery, signed at ``now`` (unix seconds)."""
    message = message_of(claimed, signer, now)
    lines = () if claimed.superseded is None else superseded_lines(claimed.superseded)
    more = {name: value or "" for name, value in map(read_curl_line, lines)}
    headers = {**message.attributes, **more}
    return PulledMessage(claimed.id, attempt_number(claimed), visibility, claimed.order_key, headers, message.body)
