"""Receive one message: verify, deduplicate, store, notify; 2xx means that the message is committed.

What each status makes the sender do:

    2xx   stored and committed; 200 for a duplicate, which changes nothing: done
    400   body cut short: retry
    401   signature not valid; the sender learns no reason, the owner finds a Rejection: correct the secret, retry
    404   unknown source, or a deleted one without a valid signature
    408   body too slow: retry
    410   source deleted: stop
    411   chunked body under a scheme that does not sign the body: send Content-Length
    413   larger than max_bytes, 415 not an accepted media type: do not retry
    429   rate limit: retry after Retry-After
    503   paused, or database, storage or the sender's key server unavailable; nothing was stored: retry after
          Retry-After

Without a valid signature the state of a source cannot be observed: a paused source responds 401 like an active one,
a deleted one 404 like an unknown one. Therefore bodies are verified there too, and then dropped.

Two requests with one message id are decided by the unique constraint: one is stored, the other is a duplicate,
whatever became of the handlers. A failed handler therefore loses nothing when the sender retries; it runs by its own
retry plan. A duplicate with other content is recorded as a Rejection and responded 200: the first content stays, and
a retry would change nothing.

The object of a large body is complete before its row is committed. If the outcome of the commit is unknown (broken
connection), the object stays: a row may name it, and the sweep removes it if none does.
"""

import time
from functools import partial
from http import HTTPStatus
from uuid import UUID

from django.db import Error as DatabaseError
from django.utils import timezone

from webhooks import schemes, telemetry
from webhooks.kit.claim_check import StorageDown, StoredBody, measure_body, store_body
from webhooks.models import Rejection
from webhooks.processing.handlers import has_handlers
from webhooks.processing.notify import receipt_workers
from webhooks.processing.receipts import find_receipt
from webhooks.receiving import responses
from webhooks.receiving.challenges import ConfirmationFailed, respond_to_handshake, start_confirmation
from webhooks.receiving.inbound_limits import Throttled, inbound_limits
from webhooks.receiving.insert_receipt import InsertResult, VerifiedMessage, insert_receipt
from webhooks.receiving.media_types import UnacceptedMediaType, check_media_type
from webhooks.receiving.published_keys import start_fetch
from webhooks.receiving.rejections import record_rejection
from webhooks.receiving.request_body import CutShort, InboundRequest, LengthMissing, TooLarge, TooSlow
from webhooks.receiving.responses import InboundResponse
from webhooks.receiving.trusted_proxy import is_proxied
from webhooks.schemes.scheme import UnsignedBody
from webhooks.sources import source_counts
from webhooks.sources.message_labels import find_labels, redact_credentials, storable_label
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.errors import BodyTooLarge, KeysUnavailable, SignatureError
from webhooks.wire.ids import new_id, public

PAUSED_SECONDS = 300  # Retry-After of a paused source
UNAVAILABLE_SECONDS = 5  # Retry-After while nothing can be stored


def receive(source: SourceSnapshot, request: InboundRequest) -> InboundResponse:
    """Receive one message within the limits of its source, and return the response."""
    try:
        with inbound_limits.admit(source.id, source.rate_per_minute):
            return _receive(source, request)
    except Throttled as error:
        return _throttle(source, HTTPStatus.TOO_MANY_REQUESTS, error.seconds)
    except (DatabaseError, StorageDown) as error:
        telemetry.log_not_stored(public("src", source.id), error)
        return _throttle(source, HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE_SECONDS)


def _receive(source: SourceSnapshot, request: InboundRequest) -> InboundResponse:
    receipt_id, secrets = new_id(), source.active_secrets(timezone.now())
    try:
        check_media_type(source.content_types, request.headers.get("content-type", ""))
        chunks = request.chunks(source.max_bytes)
        verifier = _begin_verification(source, request, [secret.text for secret in secrets])
        if source.accepts_messages:
            body = store_body(chunks, receipt_id, verifier.update)
        else:
            body = measure_body(chunks, verifier.update)
    except (SignatureError, UnacceptedMediaType, TooLarge, CutShort, TooSlow, LengthMissing, OSError) as error:
        return _reject(source, request, error, size=request.length or 0)
    try:
        secret_index = verifier.finish()
    except SignatureError as error:
        body.discard()
        return _reject(source, request, error, size=body.size, sha256=body.sha256)
    if not source.accepts_messages:
        return _respond_closed(source)
    try:
        handshake = respond_to_handshake(source.scheme, body.body) or _confirm_subscription(source, body.body)
    except ConfirmationFailed as error:
        return _reject(source, request, error, size=body.size, sha256=body.sha256)
    if handshake is not None:
        return InboundResponse(HTTPStatus.OK, json=handshake)
    return _store(source, request, receipt_id, body, None if secret_index is None else secrets[secret_index].id)


def _begin_verification(source: SourceSnapshot, request: InboundRequest, secrets: list[str]) -> schemes.BodyVerifier:
    """Verify all but the body. A chunked body is accepted only if the signature shows where it ends."""
    verifier = source.load_scheme().begin_verification(
        secrets,
        request.headers,
        url=request.url(source.public_url),
        now=time.time(),
        tolerance=source.timestamp_tolerance_seconds,
        method=request.method,
        proxied=is_proxied(request.request),
        fetch=partial(_fetch_keys, source),
    )
    if request.length is None and isinstance(verifier, UnsignedBody):
        raise LengthMissing
    return verifier


def _fetch_keys(source: SourceSnapshot, url: str, *, newer: bool = False) -> bytes:
    return start_fetch(url, share=source.tenant_id or source.id, newer=newer).result()


def _confirm_subscription(source: SourceSnapshot, body: bytes | None) -> dict[str, str] | None:
    confirmation = start_confirmation(source.scheme, body, source.tenant_id or source.id)
    return confirmation.result() if confirmation else None


def _store(
    source: SourceSnapshot, request: InboundRequest, receipt_id: UUID, body: StoredBody, secret_id: UUID | None
) -> InboundResponse:
    message = VerifiedMessage(
        id=receipt_id,
        source_id=source.id,
        labels=find_labels(source, source.load_scheme(), request.headers, body.body, body.sha256),
        content_type=storable_label(request.headers.get("content-type", "")),
        headers=redact_credentials(request.headers, source.credential_headers()),
        body=body,
        secret_id=secret_id,
        has_handlers=has_handlers(source),
    )
    result = insert_receipt(message)
    if result is InsertResult.DUPLICATE:
        body.discard()
        return _respond_duplicate(source, request, message)
    source_counts.count(source.id, "received")
    if result is InsertResult.DUE:
        receipt_workers.notify()
    else:
        source_counts.count(source.id, "processed")
    return responses.stored_response(source, receipt_id)


def _respond_duplicate(source: SourceSnapshot, request: InboundRequest, message: VerifiedMessage) -> InboundResponse:
    source_counts.count(source.id, "duplicates")
    first = find_receipt(source.id, message.labels.message_id)
    if first is not None and first.sha256 != message.body.sha256:
        telemetry.log_content_conflict(public("src", source.id), message.labels.message_id)
        detail = f"{first.public_id} has this message id and other content; it was kept."
        _record(source, request, "other_content", detail, message.body.size, message.body.sha256)
    return responses.duplicate_response(source, first.id if first else None)


def _respond_closed(source: SourceSnapshot) -> InboundResponse:
    """Respond to a message with a valid signature at a paused or deleted source."""
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.GONE)
    return _throttle(source, HTTPStatus.SERVICE_UNAVAILABLE, PAUSED_SECONDS)


def _throttle(source: SourceSnapshot, status: HTTPStatus, retry_after: int) -> InboundResponse:
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.NOT_FOUND)
    source_counts.count(source.id, "throttled")
    return InboundResponse(status, retry_after=retry_after)


_REASONS: dict[type[Exception], tuple[HTTPStatus, str]] = {
    UnacceptedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type"),
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"),
    ConfirmationFailed: (HTTPStatus.SERVICE_UNAVAILABLE, "not_confirmed"),
    KeysUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, ""),
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"),
    CutShort: (HTTPStatus.BAD_REQUEST, "cut_short"),
    TooSlow: (HTTPStatus.REQUEST_TIMEOUT, "too_slow"),
    LengthMissing: (HTTPStatus.LENGTH_REQUIRED, "no_length"),
}


def _reject(
    source: SourceSnapshot, request: InboundRequest, error: Exception, *, size: int, sha256: str = ""
) -> InboundResponse:
    """Record why a request was refused, and respond with its status; a signature error without its own gives 401."""
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.NOT_FOUND)
    status, reason = _REASONS.get(type(error), (HTTPStatus.UNAUTHORIZED, ""))
    if isinstance(error, SignatureError):
        reason = error.code
    elif isinstance(error, OSError):
        status, reason = HTTPStatus.BAD_REQUEST, "cut_short"
    source_counts.count(source.id, "rejected")
    _record(source, request, reason, str(error) or str(type(error).__doc__), size, sha256)
    return InboundResponse(
        status, retry_after=UNAVAILABLE_SECONDS if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    )


def _record(source: SourceSnapshot, request: InboundRequest, reason: str, detail: str, size: int, sha256: str) -> None:
    record_rejection(
        Rejection(
            source_id=source.id,
            reason=reason,
            detail=detail,
            headers=redact_credentials(request.headers, source.credential_headers()),
            remote_address=request.remote_address,
            size=size,
            sha256=sha256,
        )
    )
