"""Compose the HTTP request of an attempt: headers, signature and body.

PURE: the time is passed in. `webhook-id` is the event's id: the same for every attempt, replay and endpoint. The bytes
of the body were fixed when the event was published.
"""

import json

from delivery.sql.claim import Claimed
from delivery.sql.keyed.supersede import Superseded
from delivery.transports.http.request import Request, ResponseTrace
from delivery.transports.outcome import Failure
from delivery.transports.transport import NotSent
from subscriptions.models import HttpSettings
from subscriptions.routing.targets import DeliveryTarget, HttpTarget
from webhooks.kit.tracing.spans import Switch
from webhooks.version import USER_AGENT
from webhooks.wire.cloudevents.http_modes import BATCH, STRUCTURED, Event, write_binary
from webhooks.wire.cloudevents.json_format import read_batch, read_structured
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.header_values import curl_line, read_curl_line
from webhooks.wire.ids import public
from webhooks.wire.signing.aws_sigv4 import AwsSigner
from webhooks.wire.transform.template import is_json_text

# A line without a value removes a header that libcurl would add: "Expect: 100-continue", which costs a round trip, and
# a second if the endpoint ignores it; "Accept: */*"; and a content type of forms where the event has none.
COMMON_HEADERS = [f"user-agent: {USER_AGENT}", "accept-encoding: identity", "expect:", "accept:"]
NO_CONTENT_TYPE = "content-type:"
CLOUDEVENT_CONTENT_TYPE = [f"content-type: {STRUCTURED}"]
BATCH_CONTENT_TYPE = [f"content-type: {BATCH}"]
JSON_CONTENT_TYPE = ["content-type: application/json"]
TEXT_CONTENT_TYPE = ["content-type: text/plain; charset=utf-8"]
# AWS signs the host, and these headers. It requires those of its own; custom headers may be changed by a proxy.
AWS_SIGNED_PREFIXES = ("content-type", "webhook-", "ce-", "x-amz-")
NO_PLACE = (
    "The credential of the endpoint is added to the body (`auth` of the type `body`), which has to be a JSON object, "
    "and this one is none. Have the transformer make an object, or give the credential in a header; then replay."
)
MAX_PARSED = 64 * 1024  # bytes of a transformed body; of a larger one the first and the last byte decide


def compose(claimed: Claimed, target: DeliveryTarget, now: float, bearer: str = "") -> Request | NotSent:
    """Compose the signed request of one attempt at ``now`` (unix seconds).

    ``bearer``: the access token, for an endpoint with OAuth. Returns NotSent if the endpoint has no usable secret,
    credentials or address, or if a credential has no place in the body; also, with the exception, if composing fails.
    """
    http = target.http
    if http is None:
        return NotSent(Failure.INTERNAL, LookupError("endpoint without HTTP settings"))
    if target.signer is None:
        return NotSent(Failure.UNSIGNED)
    if http.admits is None:
        return NotSent(Failure.FORBIDDEN)
    if claimed.is_unreadable or http.headers is None or (http.oauth is not None and not bearer):
        return NotSent(Failure.CREDENTIALS)
    message_id, timestamp = public("evt", claimed.event_id), int(now)
    try:
        headers, body = _content(claimed, http)
        if http.body_member is not None:
            body = with_member(body, *http.body_member)
        signature = target.signer.sign(message_id, timestamp, body)
        lines = [
            f"webhook-id: {message_id}",
            f"webhook-timestamp: {timestamp}",
            f"webhook-signature: {signature}",
            *headers,
            *(() if claimed.superseded is None else superseded_lines(claimed.superseded)),
            *COMMON_HEADERS,
            *http.headers,
            *([f"authorization: Bearer {bearer}"] if bearer else ()),
            *([f"traceparent: {claimed.traceparent}"] if claimed.traceparent else ()),
        ]
        if http.aws_signer is not None:
            lines += _aws_lines(http.aws_signer, lines, body, timestamp)
    except BodyNotObject:
        return NotSent(Failure.BODY_NOT_OBJECT, rejected=True, detail=NO_PLACE, is_final=True)
    except Exception as error:  # an error with one delivery must not stop the others
        return NotSent(Failure.INTERNAL, error)
    return Request(
        url=http.url,
        headers=lines,
        body=body,
        signed_at=now,
        timeout_ms=target.timeout_ms,
        admits=http.admits,
        share=target.tenant_id,
        tls=http.tls,
        failure_pattern=http.failure_pattern,
        trace=ResponseTrace() if Switch.is_on else None,
    )


class BodyNotObject(ValueError):
    """Signal a body that cannot have another member: it is no JSON object."""


def with_member(body: bytes, name: str, value: str) -> bytes:
    """Return a JSON object with this member first. Raises BodyNotObject."""
    rest = body.lstrip()[1:].lstrip() if body.lstrip().startswith(b"{") else b""
    if not rest:
        raise BodyNotObject("authentication in the body requires a body that is a JSON object")
    member = f"{json.dumps(name)}:{json.dumps(value)}".encode()
    return b"{" + member + (b"" if rest.startswith(b"}") else b",") + rest


def superseded_lines(superseded: Superseded) -> list[str]:
    """Return the headers that say which deliveries of the same key were not sent because of this one."""
    ids = ", ".join(public("evt", key) for key in superseded.events)
    lines = [f"webhook-superseded: {superseded.total}"]
    return [*lines, f"webhook-superseded-ids: {ids}"] if ids else lines


def _aws_lines(signer: AwsSigner, lines: list[str], body: bytes, timestamp: int) -> list[str]:
    """Return the headers by which AWS authenticates the request."""
    pairs = ((name.lower(), value) for name, value in map(read_curl_line, lines))
    signed = {name: value for name, value in pairs if value is not None and name.startswith(AWS_SIGNED_PREFIXES)}
    return [curl_line(name, value) for name, value in signer.sign(signed, body, timestamp).items()]


def _content(claimed: Claimed, http: HttpTarget) -> tuple[list[str], bytes]:
    if claimed.rendered:
        return content_type_of(claimed.body, claimed.content_type), claimed.body
    if http.content_mode != HttpSettings.ContentMode.BINARY:
        return CLOUDEVENT_CONTENT_TYPE, claimed.body
    headers, body = write_binary(read_structured(claimed.body))
    lines = [curl_line(name, value) for name, value in headers.items()]
    return (lines if "content-type" in headers else [*lines, NO_CONTENT_TYPE]), body


def content_type_of(body: bytes, content_type: str | None = None) -> list[str]:
    """Return the content-type line of a transformed body: the one given, or by what it is.

    That is a CloudEvent, a batch of them (an array with one or more, and nothing else), other JSON, or text.
    """
    if content_type:
        return [f"content-type: {content_type}"]
    if len(body) > MAX_PARSED:
        return JSON_CONTENT_TYPE if (body[:1], body[-1:]) in ((b"{", b"}"), (b"[", b"]")) else TEXT_CONTENT_TYPE
    try:
        if not body.lstrip().startswith(b"["):
            read_structured(body)
            return CLOUDEVENT_CONTENT_TYPE
        events = read_batch(body)
        if events and all(isinstance(it, Event) for it in events):
            return BATCH_CONTENT_TYPE
    except InvalidEvent:
        pass
    return JSON_CONTENT_TYPE if is_json_text(body.decode("utf-8", "replace")) else TEXT_CONTENT_TYPE
