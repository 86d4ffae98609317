"""Show what an attempt sent or would send, for every kind of destination, in the terms of the kind.

Nothing is sent. Values that may hold credentials are masked.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

from delivery.sql.claim import Claimed
from delivery.transports.http import shown_request as http
from delivery.transports.http.shown_request import PlaceholderSigner, ShownRequest, masked_lines
from delivery.transports.https.http_batch import HttpBatchClient
from delivery.transports.https.kind import HttpsKind
from delivery.transports.message import Message, message_of
from delivery.transports.outcome import Failure
from delivery.transports.send_failed import SendFailed
from delivery.transports.shown_message import ShownMessage
from delivery.transports.sockets.kind import SocketKind
from delivery.transports.transport import NotSent
from subscriptions.endpoints.destinations.registry import find_kind
from subscriptions.routing.targets import HTTP_BATCH, DeliveryTarget
from webhooks.wire.header_values import curl_line


@dataclass(frozen=True, slots=True)
class ShownByProtocol(ShownRequest):
    """A message that is not sent over HTTP: attributes in place of headers, and no command for a shell."""

    @property
    def headers(self) -> dict[str, str]:
        """The attributes of the message, or the columns of the row."""
        return http.sent_headers(self.lines)

    @property
    def curl(self) -> str | None:
        """None: curl does not speak the protocol."""
        return None


def shown_request(claimed: Claimed, target: DeliveryTarget, now: float, *, is_signed: bool) -> ShownRequest | NotSent:
    """Compose what one attempt sends at ``now`` (unix seconds), to show it; an event that is batched is shown alone.

    Without ``is_signed`` it has a placeholder in place of the signature of Standard Webhooks.
    """
    if target.http is not None and target.kind != HTTP_BATCH:
        return http.shown_request(claimed, target, now, is_signed=is_signed)
    if is_signed and target.signer is None:
        return NotSent(Failure.UNSIGNED)
    if claimed.is_unreadable:
        return NotSent(Failure.CREDENTIALS)
    signer: Any = target.signer if is_signed else PlaceholderSigner()
    message = message_of(claimed, signer, now)
    try:
        if target.kind == HTTP_BATCH:
            return _batched(message, replace(target, signer=signer), now)
        if target.connection is None:
            return NotSent(Failure.CREDENTIALS)
        kind = find_kind(target.kind)
        shown = cast("HttpsKind | SocketKind", kind).preview(target.connection, message, now)
    except SendFailed as error:
        return NotSent(error.failure, rejected=True, detail=error.text)
    lines = [curl_line(name, value) for name, value in shown.headers.items()]
    if isinstance(kind, HttpsKind):
        return ShownRequest(shown.address, tuple(masked_lines(lines)), shown.body, int(now), method=shown.method)
    return ShownByProtocol(shown.address, tuple(lines), shown.body, int(now), method=shown.method)


def _batched(message: Message, target: DeliveryTarget, now: float) -> ShownRequest:
    request = HttpBatchClient(target).compose([message], now, http.MASK if target.http and target.http.oauth else "")
    shown = ShownMessage(request.method, request.url, request.headers, request.body)
    lines = [curl_line(name, value) for name, value in shown.headers.items()]
    return ShownRequest(shown.address, tuple(masked_lines(lines)), shown.body, int(now), method=shown.method)
