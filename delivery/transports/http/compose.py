"""What an attempt puts on the wire: headers, signature, body. The bytes of the body were fixed at publication.

PURE: the moment is passed in.
"""

from typing import Any

from delivery.sql.claim import Claimed
from delivery.transports.http.exchange import Request
from delivery.transports.outcome import Failure
from subscriptions.models import Endpoint
from subscriptions.routing.routes import Target
from webhooks.wire.cloudevents.http_modes import write_binary
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import public

__all__ = ["NothingToSendWith", "compose"]

USER_AGENT = "user-agent: Waypost/0.1"
# Expect is switched off: a round trip more, and a second of waiting where it is not understood.
ALWAYS = [USER_AGENT, "accept-encoding: identity", "expect:"]
STRUCTURED = ["content-type: application/cloudevents+json"]
RENDERED = ["content-type: application/json"]


class NothingToSendWith(Exception):
    """The endpoint has no usable secret or credentials, or an address that may not be called: nothing may be sent. Or
    no request can be made of this delivery: ``__cause__`` says why, and the others of its batch are none the worse."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def compose(claimed: Claimed, target: Target, timestamp: int, context: Any, bearer: str = "") -> Request:
    """The request of one attempt at ``timestamp`` (unix seconds), with a ``bearer`` token where the endpoint wants
    one. Raises NothingToSendWith."""
    try:
        return _compose(claimed, target, timestamp, context, bearer)
    except NothingToSendWith:
        raise
    except Exception as error:
        raise NothingToSendWith(Failure.INTERNAL) from error


def _compose(claimed: Claimed, target: Target, timestamp: int, context: Any, bearer: str) -> Request:
    if target.signer is None:
        raise NothingToSendWith(Failure.UNSIGNED)
    if target.admits is None:
        raise NothingToSendWith(Failure.FORBIDDEN)
    if target.headers is None or (target.oauth is not None and not bearer):
        raise NothingToSendWith(Failure.CREDENTIALS)
    headers, body = _content(claimed, target)
    message_id = public("evt", claimed.event_id)
    signature = target.signer.sign(message_id, timestamp, body)
    return Request(
        url=target.url,
        headers=[
            f"webhook-id: {message_id}",
            f"webhook-timestamp: {timestamp}",
            f"webhook-signature: {signature}",
            *headers,
            *ALWAYS,
            *target.headers,
            *([f"authorization: Bearer {bearer}"] if bearer else ()),
        ],
        body=body,
        timeout_ms=target.timeout_ms,
        admits=target.admits,
        context=context,
        tls=target.tls,
    )


def _content(claimed: Claimed, target: Target) -> tuple[list[str], bytes]:
    if claimed.thin:
        return STRUCTURED, claimed.body
    if claimed.rendered:
        return RENDERED, claimed.body
    if target.content_mode != Endpoint.ContentMode.BINARY:
        return STRUCTURED, claimed.body
    headers, body = write_binary(read_structured(claimed.body))
    return [f"{name}: {value}" for name, value in headers.items()], body
