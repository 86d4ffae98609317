"""Receive one message: verify, deduplicate, store, notify; 2xx means that the message is committed.

What each status makes the sender do:

    2xx   stored and committed; 200 for a duplicate, which changes nothing: done
    400   body cut short: retry
    401   signature not valid; the sender learns no reason, the owner finds a Rejection: correct the secret, retry
    403   sent from an address outside of the source's allowed_networks
    404   unknown source, or a deleted one without a valid signature
    408   body too slow: retry
    410   source deleted: stop
    411   chunked body under a scheme that does not sign the body, if the web server may cut it short: send
          Content-Length
    413   larger than max_bytes, 415 not an accepted media type: do not retry
    429   rate limit, or too many bodies of a source, tenant or address at once: retry after Retry-After
    503   paused, or database, storage or the sender's key server unavailable, or too many bytes of a tenant or address
          on disk or in memory at once; nothing was stored: retry after Retry-After

Without a valid signature the state of a source cannot be observed: a paused source responds 401 like an active one,
a deleted one 404 like an unknown one. Therefore bodies are verified there too, and then dropped. A deleted source
fetches no published keys: messages under such schemes get 404.

A message without an id is never a duplicate, unless the source deduplicates by content.

Two requests with one message id are decided by the unique constraint: one is stored, the other is a duplicate,
whatever became of the handlers. A failed handler therefore loses nothing when the sender retries; it runs by its own
retry plan. A duplicate with other content is recorded as a Rejection, and the response is 200: the first content stays,
and a retry would change nothing.

The object of a large body is complete before its row is committed. If the outcome of the commit is unknown (broken
connection), the object stays: a row may name it, and the sweep removes it if none does.

The steps are the same in each shell (``native_inbound``, ``inbound_view``), which waits and runs what blocks. Nothing
here blocks: ``verification`` decides, and everything else is awaited.
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from django.db import Error as DatabaseError

from webhooks import metrics, telemetry
from webhooks.kit.bodies.claim_check import IncomingBody, StorageDown, StoredBody
from webhooks.kit.bodies.message_body import is_plain
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.native_request import BodyTooSlow, NativeRequest
from webhooks.kit.tracing.context import HEADER as TRACEPARENT
from webhooks.kit.tracing.context import valid
from webhooks.kit.tracing.spans import SERVER, Marks, Switch, end, start
from webhooks.processing.notify import receipt_workers
from webhooks.receiving import responses
from webhooks.receiving.handshakes.messages import respond_to_stored, respond_to_unsigned, respond_to_verified
from webhooks.receiving.inbound_limits import Arrival, Throttled, inbound_limits
from webhooks.receiving.insert_receipt import InsertOutcome, InsertResult, VerifiedMessage, insert_receipt
from webhooks.receiving.published_keys import KeysNeeded, key_fetcher
from webhooks.receiving.rejections import record_rejection
from webhooks.receiving.responses import InboundResponse
from webhooks.receiving.shell import Shell
from webhooks.receiving.verification import (
    OTHER_CONTENT,
    REFUSALS,
    MessageTooLarge,
    begin_verification,
    label_message,
    read_labels,
    status_and_reason,
)
from webhooks.sources import source_counts
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.errors import KeysUnavailable, SignatureError
from webhooks.wire.ids import new_id, public

PAUSED_SECONDS = 300  # Retry-After of a paused source
UNAVAILABLE_SECONDS = 5  # Retry-After while nothing can be stored
MAX_FETCHES = 4  # of key documents for one message; a scheme needs two at most

T = TypeVar("T")


async def receive(source: SourceSnapshot, request: NativeRequest, shell: Shell) -> InboundResponse:
    """Receive one message within the limits of its source, and return the response."""
    if not Switch.is_on:
        return await _receive(source, request, shell)
    span = start(
        "receive", valid(request.headers.get(TRACEPARENT)), SERVER, {"waypost.source": public("src", source.id)}
    )
    marks = Marks()
    response = await _receive(source, request, shell, marks)
    span.set_attribute("http.response.status_code", int(response.status))
    end(span, marks.stages)
    return response


async def _receive(
    source: SourceSnapshot, request: NativeRequest, shell: Shell, marks: Marks | None = None
) -> InboundResponse:
    try:
        with inbound_limits.admit(source, request.share, max_slow=shell.max_slow) as arrival:
            verified = await _verify(source, request, arrival, shell)
        if marks is not None:
            marks.mark("verify")
        if isinstance(verified, InboundResponse):
            return verified
        response = await _insert(source, request, verified, shell)
        if marks is not None:
            marks.mark("keep")
        return respond_to_stored(source, request, verified.body.body) or response
    except Throttled as error:
        return _throttle(source, error.status, error.seconds)
    except ShareExceeded:
        return _throttle(source, HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE_SECONDS)
    except (DatabaseError, StorageDown) as error:
        telemetry.log_not_stored(public("src", source.id), error)
        return _throttle(source, HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE_SECONDS)


async def _verify(
    source: SourceSnapshot, request: NativeRequest, arrival: Arrival, shell: Shell
) -> VerifiedMessage | InboundResponse:
    """Read and verify a message and store its body; return it, or the response if it becomes no receipt."""
    try:
        begin = partial(begin_verification, source, request, key_fetcher(source))
        verification = await _with_keys(source, shell, begin)
    except REFUSALS as error:
        return await _handshake_or_rejection(source, request, error, None, shell)
    receipt_id = new_id()
    body = IncomingBody(receipt_id, verification.update, is_kept=source.accepts_messages)
    stored: StoredBody | None = None
    is_complete = False
    try:
        await _read(source, request, body, arrival, shell, keeps_body=verification.keeps_body)
        is_complete = True
        secret_id = await _with_keys(source, shell, verification.finish, blocks=body.is_large)
        if not source.accepts_messages:
            return _respond_closed(source)
        labels = None
        if body.is_large or not is_plain(request.headers):
            labels = await shell.run(source.owner, partial(read_labels, source, request, body))
        if body.is_large:
            stored = await shell.run(source.owner, body.store)
        else:
            stored = body.store()
            if (response := await respond_to_verified(source, request, stored.body, shell)) is not None:
                return response
        return label_message(source, request, receipt_id, stored, secret_id, labels)
    except REFUSALS as error:
        if not is_complete:
            return _reject(source, request, error, size=request.body.length or 0)
        return await _handshake_or_rejection(source, request, error, body, shell)
    finally:
        if stored is None and body.is_large:
            await _discard(source, body.discard, shell)


async def _with_keys(source: SourceSnapshot, shell: Shell, step: Callable[[], T], *, blocks: bool = False) -> T:
    """Run a step of the verification, and again after each fetch of keys that it needs. Raises KeysUnavailable."""
    for _ in range(MAX_FETCHES):
        try:
            return await shell.run(source.owner, step) if blocks else step()
        except KeysNeeded as needed:
            await shell.wait(needed.fetch)
    raise KeysUnavailable("The keys expire faster than they are fetched.")


async def _read(
    source: SourceSnapshot,
    request: NativeRequest,
    body: IncomingBody,
    arrival: Arrival,
    shell: Shell,
    *,
    keeps_body: bool,
) -> None:
    """Read the body to its end. Raises what is refused, Throttled, StorageDown."""

    async def flush() -> None:
        if source.accepts_messages:
            arrival.spool(body.pending)
        if keeps_body:
            arrival.keep(body.pending)
        await shell.run(source.owner, body.flush)

    async for chunk in request.body.chunks():
        if body.size + len(chunk) > source.max_bytes:
            raise MessageTooLarge
        if arrival.is_evicted:
            raise BodyTooSlow
        if body.add(chunk):
            await flush()
    if body.is_large:
        await flush()
    else:
        body.flush()


async def _handshake_or_rejection(
    source: SourceSnapshot, request: NativeRequest, error: Exception, body: IncomingBody | None, shell: Shell
) -> InboundResponse:
    """Respond to a refused message: as to a handshake, which many senders do not sign, or with a rejection.

    ``body``: None if it was not read.
    """
    size, sha256 = (request.body.length or 0, "") if body is None else (body.size, body.sha256)
    if isinstance(error, SignatureError):
        try:
            if (response := await respond_to_unsigned(source, request, body, shell)) is not None:
                return response
        except REFUSALS as refused:
            error = refused
    return _reject(source, request, error, size=size, sha256=sha256)


async def _discard(source: SourceSnapshot, discard: Callable[[], None], shell: Shell) -> None:
    """Delete a large body. Without a thread at once: the sweep would keep it for a day."""
    try:
        await shell.run(source.owner, discard)
    except ShareExceeded:
        discard()


async def _insert(
    source: SourceSnapshot, request: NativeRequest, message: VerifiedMessage, shell: Shell
) -> InboundResponse:
    inserted = await shell.wait(insert_receipt(message))
    if inserted.outcome is InsertOutcome.DUPLICATE:
        if message.body.key:
            await _discard(source, message.body.discard, shell)
        return _respond_duplicate(source, request, message, inserted)
    source_counts.count(source.id, "received")
    metrics.count_stored(message.body.size, is_claimed=bool(message.body.key))
    if inserted.outcome is InsertOutcome.DUE:
        receipt_workers.notify()
    else:
        source_counts.count(source.id, "processed")
    return await responses.stored_response(source, message.id, shell.wait)


def _respond_duplicate(
    source: SourceSnapshot, request: NativeRequest, message: VerifiedMessage, inserted: InsertResult
) -> InboundResponse:
    source_counts.count(source.id, "duplicates")
    metrics.count_duplicate(source.scheme)
    first = inserted.first
    if first is not None and first.sha256 != message.body.sha256:
        source_counts.count(source.id, "conflicts")
        telemetry.log_content_conflict(public("src", source.id), message.labels.message_id)
        detail = f"{public('rcp', first.id)} has this message id and other content; it was kept."
        size, sha256 = message.body.size, message.body.sha256
        record_rejection(source, request, OTHER_CONTENT, detail, size=size, sha256=sha256)
    return responses.duplicate_response(source, first.id if first else None)


def _respond_closed(source: SourceSnapshot) -> InboundResponse:
    """Respond to a message with a valid signature at a paused or deleted source."""
    if source.deleted_at is not None:
        return responses.response_to(source, "deleted", InboundResponse(HTTPStatus.GONE))
    return responses.response_to(source, "paused", _throttle(source, HTTPStatus.SERVICE_UNAVAILABLE, PAUSED_SECONDS))


def _throttle(source: SourceSnapshot, status: HTTPStatus, retry_after: int) -> InboundResponse:
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.NOT_FOUND)
    source_counts.count(source.id, "throttled")
    return InboundResponse(status, retry_after=retry_after)


def _reject(
    source: SourceSnapshot, request: NativeRequest, error: Exception, *, size: int, sha256: str = ""
) -> InboundResponse:
    """Record why a request was refused, and respond with its status."""
    if source.deleted_at is not None:
        return InboundResponse(HTTPStatus.NOT_FOUND)
    status, reason = status_and_reason(error)
    source_counts.count(source.id, "rejected")
    detail = str(error) or str(type(error).__doc__)
    record_rejection(source, request, reason, detail, size=size, sha256=sha256)
    is_ours = status == HTTPStatus.SERVICE_UNAVAILABLE
    response = InboundResponse(status, retry_after=UNAVAILABLE_SECONDS if is_ours else None)
    return responses.response_to(source, "rejected", response) if status == HTTPStatus.UNAUTHORIZED else response
