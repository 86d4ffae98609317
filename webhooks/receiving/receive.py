"""Verify, dedupe, keep, ring: a message is answered 2xx only when it is ours for good.

What each answer makes the sender do:

    2xx   kept and committed (or kept before: a repeat is answered 200 and does nothing): done
    401   not believed; nothing is said about why, a Rejection says it to the owner: mend the secret, retry
    408   came too slowly, 400 was cut short: retry
    410   the source was deleted: stop
    404   nobody is here, or was, as far as you could tell
    411   came without a length under a scheme that does not sign the body: send Content-Length
    413   larger than the source takes, 415 of a type it does not take: do not retry
    429   too many at once, come back after Retry-After
    503   paused, or database, storage or the sender's key server are down, come back after Retry-After: nothing was
          kept

Whoever cannot prove to be the sender cannot find out how a source stands: a paused one refuses strangers like any
other, a deleted one is to them as if it had never been. So a body is verified there, too, and nothing of it is kept.

Two requests with one message id are decided by the unique constraint: one is kept, the other is a repeat. A
repeat is recognised by the row, whatever became of its handlers, so a handler that fails loses nothing when the
sender retries, and runs on its own plan. A repeat with other content is flagged as a Rejection and answered 200:
the first content stands, and a retry would change nothing.

The object of a large body is complete before its row is committed. If the commit's outcome is unknown (the
connection broke), the object stays: a row may name it, and the sweep removes it if none does.
"""

import time
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.utils import timezone

from webhooks import schemes, telemetry
from webhooks.kit import hourly_counts, notify
from webhooks.kit.claim_check import StorageDown, Ticket, keep, weigh
from webhooks.processing.handlers import has_handlers
from webhooks.processing.receipts import find_receipt
from webhooks.receiving import media_types, published_keys, responses
from webhooks.receiving.challenges import ConfirmationFailed, confirm_subscription, respond_to_handshake
from webhooks.receiving.inbound_limits import Throttled, inbound_limits
from webhooks.receiving.insert_receipt import InsertResult, VerifiedMessage, insert_receipt
from webhooks.receiving.rejections import Refusal, record_rejection
from webhooks.receiving.request_body import CutShort, InboundRequest, NoLength, TooLarge, TooSlow
from webhooks.receiving.responses import InboundResponse
from webhooks.schemes.scheme import UnsignedBody
from webhooks.sources.message_labels import find_labels, redact_credentials, storable_label
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.errors import BodyTooLarge, KeysUnavailable, SignatureError
from webhooks.wire.ids import new_id, public

PAUSED_FOR = 300  # seconds a sender is told to wait at a paused source
DOWN_FOR = 5  # seconds a sender is told to wait when we cannot keep anything


def receive(source: SourceSnapshot, arrival: InboundRequest) -> InboundResponse:
    """Take one message, or say why not."""
    try:
        with inbound_limits.enter(source.id, source.rate_per_minute):
            return _take(source, arrival)
    except Throttled as wait:
        return _turn_away(source, HTTPStatus.TOO_MANY_REQUESTS, wait.seconds)
    except (DatabaseTrouble, StorageDown) as error:
        telemetry.log_not_stored(public("src", source.id), error)
        return _turn_away(source, HTTPStatus.SERVICE_UNAVAILABLE, DOWN_FOR)


def _turn_away(source: SourceSnapshot, status: HTTPStatus, seconds: int) -> InboundResponse:
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.NOT_FOUND)
    hourly_counts.count(source.id, "throttled")
    return InboundResponse(status, retry_after=seconds)


def _take(source: SourceSnapshot, arrival: InboundRequest) -> InboundResponse:
    receipt_id, secrets = new_id(), source.active_secrets(timezone.now())
    try:
        media_types.check_media_type(source.content_types, arrival.headers.get("content-type", ""))
        body = arrival.chunks(source.max_bytes)
        check = _begin(source, arrival, [secret.text for secret in secrets])
        ticket = keep(body, receipt_id, check.update) if source.accepts_messages else weigh(body, check.update)
    except (SignatureError, media_types.UnacceptedMediaType, TooLarge, CutShort, TooSlow, NoLength, OSError) as error:
        return _refuse(source, arrival, error, size=arrival.length or 0)
    try:
        place = check.finish()
    except SignatureError as error:
        ticket.discard()
        return _refuse(source, arrival, error, size=ticket.size, sha256=ticket.sha256)
    if not source.accepts_messages:
        return _closed(source)
    try:
        challenge = respond_to_handshake(source.scheme, ticket.body) or confirm_subscription(source.scheme, ticket.body)
    except ConfirmationFailed as error:
        return _refuse(source, arrival, error, size=ticket.size, sha256=ticket.sha256)
    if challenge is not None:
        return InboundResponse(HTTPStatus.OK, body=challenge)
    return _keep(source, arrival, receipt_id, ticket, None if place is None else secrets[place].id)


def _closed(source: SourceSnapshot) -> InboundResponse:
    """What a message that proved to be the sender's is told at a source that takes none."""
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.GONE)
    return _turn_away(source, HTTPStatus.SERVICE_UNAVAILABLE, PAUSED_FOR)


def _begin(source: SourceSnapshot, arrival: InboundRequest, secrets: list[str]) -> schemes.BodyVerifier:
    """Check all but the body. A body of unannounced length is taken only if the signature shows where it ends."""
    check = source.load_scheme().begin_verification(
        secrets,
        arrival.headers,
        url=arrival.url(source.public_url),
        now=time.time(),
        tolerance=source.timestamp_tolerance_seconds,
        method=arrival.method,
        proxied=compile_networks(tuple(settings.WAYPOST_TRUSTED_PROXIES)).contains(arrival.address),
        fetch=published_keys.fetch_keys,
    )
    if arrival.length is None and isinstance(check, UnsignedBody):
        raise NoLength
    return check


def _refuse(
    source: SourceSnapshot, arrival: InboundRequest, error: Exception, *, size: int, sha256: str = ""
) -> InboundResponse:
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.NOT_FOUND)
    status, reason = _REASONS.get(type(error), (HTTPStatus.UNAUTHORIZED, ""))
    if isinstance(error, SignatureError):
        reason = error.code
    elif isinstance(error, OSError):
        status, reason = HTTPStatus.BAD_REQUEST, "cut_short"
    hourly_counts.count(source.id, "rejected")
    refusal = Refusal(reason, str(error) or str(type(error).__doc__), size, sha256)
    record_rejection(
        source.id, refusal, redact_credentials(arrival.headers, source.credential_headers()), arrival.address
    )
    return InboundResponse(status, retry_after=DOWN_FOR if status == HTTPStatus.SERVICE_UNAVAILABLE else None)


_REASONS: dict[type[Exception], tuple[HTTPStatus, str]] = {
    media_types.UnacceptedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type"),
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"),
    ConfirmationFailed: (HTTPStatus.SERVICE_UNAVAILABLE, "not_confirmed"),
    KeysUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, ""),
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"),
    CutShort: (HTTPStatus.BAD_REQUEST, "cut_short"),
    TooSlow: (HTTPStatus.REQUEST_TIMEOUT, "too_slow"),
    NoLength: (HTTPStatus.LENGTH_REQUIRED, "no_length"),
}


def _keep(
    source: SourceSnapshot, arrival: InboundRequest, receipt_id: UUID, ticket: Ticket, secret_id: UUID | None
) -> InboundResponse:
    message = VerifiedMessage(
        id=receipt_id,
        source_id=source.id,
        labels=find_labels(source, source.load_scheme(), arrival.headers, ticket.body, ticket.sha256),
        content_type=storable_label(arrival.headers.get("content-type", "")),
        headers=redact_credentials(arrival.headers, source.credential_headers()),
        ticket=ticket,
        secret_id=secret_id,
        handled=has_handlers(source.id, source.uid),
    )
    entry = insert_receipt(message)
    if entry is InsertResult.REPEAT:
        ticket.discard()
        return _repeat(source, arrival, message)
    hourly_counts.count(source.id, "received")
    if entry is InsertResult.OWED:
        notify.ring()
    else:
        hourly_counts.count(source.id, "processed")
    return responses.stored_response(source, receipt_id)


def _repeat(source: SourceSnapshot, arrival: InboundRequest, message: VerifiedMessage) -> InboundResponse:
    hourly_counts.count(source.id, "duplicates")
    kept = find_receipt(source.id, message.labels.message_id)
    if kept is not None and kept.sha256 != message.ticket.sha256:
        telemetry.log_content_conflict(public("src", source.id), message.labels.message_id)
        refusal = Refusal(
            "other_content",
            f"{kept.public_id} has this message id and other content; it stands.",
            message.ticket.size,
            message.ticket.sha256,
        )
        record_rejection(
            source.id, refusal, redact_credentials(arrival.headers, source.credential_headers()), arrival.address
        )
    return responses.duplicate_response(source, kept.id if kept else None)
