"""Compose the HTTP request of an attempt: headers, signature, body. The body's bytes were fixed when it was published.

`webhook-id` is the event's id: the same for every attempt, replay and endpoint. PURE: the time is passed in.
"""

from delivery.sql.claim import Claimed
from delivery.transports.http.exchange import Request
from delivery.transports.outcome import Failure
from delivery.transports.transport import NotSent
from subscriptions.models import HttpSettings
from subscriptions.routing.targets import DeliveryTarget, HttpTarget
from webhooks.wire.cloudevents.http_modes import write_binary
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.ids import public

# "expect:" switches 100-continue off: it costs a round trip, and a second of waiting where it is not understood.
ALWAYS = ["user-agent: Waypost/0.1", "accept-encoding: identity", "expect:"]
STRUCTURED = ["content-type: application/cloudevents+json"]
RENDERED = ["content-type: application/json"]


def compose(claimed: Claimed, target: DeliveryTarget, now: float, bearer: str = "") -> Request | NotSent:
    """Return the request of one attempt at ``now`` (unix seconds).

    ``bearer`` is the access token for an endpoint with OAuth. Returns NotSent without a usable secret, credentials or
    address, and, with the exception, where composing fails.
    """
    http = target.http
    if http is None:
        return NotSent(Failure.INTERNAL, LookupError("endpoint without HTTP settings"))
    if target.signer is None:
        return NotSent(Failure.UNSIGNED)
    if http.admits is None:
        return NotSent(Failure.FORBIDDEN)
    if http.headers is None or (http.oauth is not None and not bearer):
        return NotSent(Failure.CREDENTIALS)
    message_id, timestamp = public("evt", claimed.event_id), int(now)
    try:
        headers, body = _content(claimed, http)
        signature = target.signer.sign(message_id, timestamp, body)
    except Exception as error:  # whatever is wrong with this delivery must not stop the others
        return NotSent(Failure.INTERNAL, error)
    return Request(
        url=http.url,
        headers=[
            f"webhook-id: {message_id}",
            f"webhook-timestamp: {timestamp}",
            f"webhook-signature: {signature}",
            *headers,
            *ALWAYS,
            *http.headers,
            *([f"authorization: Bearer {bearer}"] if bearer else ()),
        ],
        body=body,
        timeout_ms=target.timeout_ms,
        admits=http.admits,
        tls=http.tls,
    )


def _content(claimed: Claimed, http: HttpTarget) -> tuple[list[str], bytes]:
    if claimed.is_reference:
        return STRUCTURED, claimed.body
    if claimed.rendered:
        return RENDERED, claimed.body
    if http.content_mode != HttpSettings.ContentMode.BINARY:
        return STRUCTURED, claimed.body
    headers, body = write_binary(read_structured(claimed.body))
    return [f"{name}: {value}" for name, value in headers.items()], body
