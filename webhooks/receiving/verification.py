"""Decide on a message: verify it, and label it. No I/O: the head and the body of a request in, a decision out.

``begin_verification`` checks everything but the body; the ``Verification`` that it returns gets the body in chunks, and
its ``finish`` returns the secret that signed the message. Keys that senders publish come from ``fetch``, which raises
an exception where they must be fetched first (``published_keys.KeysNeeded``); then the step is run again with them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from uuid import UUID

from django.utils import timezone

from webhooks.kit.bodies.claim_check import IncomingBody, StoredBody
from webhooks.kit.bodies.stored_headers import redact_credentials
from webhooks.kit.native_request import BodyCutShort, BodyTooSlow, NativeRequest, called_url
from webhooks.models import Receipt, Source
from webhooks.processing.handlers import has_handlers
from webhooks.receiving.handshakes.challenges import ConfirmationFailed
from webhooks.receiving.insert_receipt import VerifiedMessage
from webhooks.schemes.scheme import BodyVerifier, FetchKeys, UnsignedBody
from webhooks.senders.handshake import MAX_TOKEN_BODY, HandshakeRejected, is_token
from webhooks.sources.message_labels import MessageLabels, find_labels, find_labels_in_file, storable_label
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.errors import BodyTooLarge, KeysUnavailable, NoMatchingSignature, SignatureError
from webhooks.wire.ids import public
from webhooks.wire.media_types import UnacceptedMediaType, check_media_type


class MessageTooLarge(Exception):
    """The body exceeds the source's max_bytes."""


class ForeignAddress(Exception):
    """The request comes from an address outside of the source's allowed_networks."""


class LengthMissing(Exception):
    """The request has no Content-Length, the signature does not cover the body, and the server may cut it short."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The verification of a body: call ``update`` with each chunk, then ``finish``."""

    update: Callable[[bytes], None]
    _finish: Callable[[], int | None]
    _secret_ids: list[UUID]
    keeps_body: bool = False
    """The body is kept in memory until it is verified."""

    def finish(self) -> UUID | None:
        """Return the id of the secret that signed the message, None if none was needed. Raises SignatureError."""
        index = self._finish()
        return None if index is None else self._secret_ids[index]


def begin_verification(source: SourceSnapshot, request: NativeRequest, fetch: FetchKeys) -> Verification:
    """Check all but the body.

    Where the server may report a broken connection as an end, a chunked body is accepted only if the signature covers
    it. Raises ForeignAddress, UnacceptedMediaType, MessageTooLarge, LengthMissing, SignatureError, and what ``fetch``
    raises.
    """
    networks = source.allowed_networks
    if networks and not compile_networks(tuple(networks)).contains(request.remote_address):
        raise ForeignAddress
    check_media_type(source.content_types, request.headers.get("content-type", ""))
    if request.body.length is not None and request.body.length > source.max_bytes:
        raise MessageTooLarge
    secrets = source.active_secrets(timezone.now())
    verifier = source.scheme_with_options.begin_verification(
        [secret.text for secret in secrets],
        request.headers,
        url=called_url(request, source.public_url),
        now=time.time(),
        tolerance=source.timestamp_tolerance_seconds,
        method=request.method,
        proxied=request.is_proxied,
        fetch=fetch,
    )
    if request.body.length is None and not request.body.ends_reliably and isinstance(verifier, UnsignedBody):
        raise LengthMissing
    keeps_body = bool(getattr(verifier, "keeps_body", False))
    if any(rule.signs for rule in source.handshake_rules):
        verifier = _NonTokenVerifier(verifier)
    return Verification(verifier.update, verifier.finish, [secret.id for secret in secrets], keeps_body)


class _NonTokenVerifier:
    """Reject a body that a handshake of the source would sign for any client."""

    def __init__(self, verifier: BodyVerifier) -> None:
        self._verifier, self._head = verifier, b""

    def update(self, chunk: bytes, /) -> None:
        """Pass the next piece on."""
        self._head += chunk[: MAX_TOKEN_BODY + 1 - len(self._head)]
        self._verifier.update(chunk)

    def finish(self) -> int | None:
        """Return the index of the secret. Raises SignatureError."""
        if is_token(self._head):
            raise NoMatchingSignature("the body could be the token of a handshake")
        return self._verifier.finish()


def read_labels(source: SourceSnapshot, request: NativeRequest, body: IncomingBody) -> MessageLabels:
    """Read the labels of a body that is complete and not stored yet. May block unless it is small and plain."""
    with body.opened() as file:
        return find_labels_in_file(source, source.scheme_with_options, request.headers, file)


def label_message(
    source: SourceSnapshot,
    request: NativeRequest,
    receipt_id: UUID,
    body: StoredBody,
    secret_id: UUID | None,
    labels: MessageLabels | None,
) -> VerifiedMessage:
    """Return the row of a verified message: with its id, type and order key, and without credentials.

    ``labels``: None to find them in the body. A message without an id has that of its receipt, so it is no duplicate of
    another.
    """
    if labels is None:
        labels = find_labels(source, source.scheme_with_options, request.headers, body.body or b"")
    by_content = source.dedupe == Source.Dedupe.CONTENT
    if by_content or not labels.message_id:
        own_id = f"sha256:{body.sha256}" if by_content else public(Receipt.prefix, receipt_id)
        labels = replace(labels, message_id=own_id)
    return VerifiedMessage(
        id=receipt_id,
        source_id=source.id,
        labels=labels,
        content_type=storable_label(request.headers.get("content-type", "")),
        headers=redact_credentials(request.headers, source.credential_headers),
        body=body,
        secret_id=secret_id,
        has_handlers=has_handlers(source),
        owner=source.owner,
        may_repeat=source.dedupe == Source.Dedupe.OFF,
        unique_for=source.dedupe_window_seconds if by_content else None,
    )


REFUSALS = (
    SignatureError,
    UnacceptedMediaType,
    MessageTooLarge,
    BodyCutShort,
    BodyTooSlow,
    LengthMissing,
    ForeignAddress,
    ConfirmationFailed,
    HandshakeRejected,
    OSError,
)
"""The exceptions with which a request is refused: what is wrong with it, and not with us."""

_STATUSES: dict[type[Exception], tuple[HTTPStatus, str]] = {
    UnacceptedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type"),
    MessageTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"),
    ConfirmationFailed: (HTTPStatus.SERVICE_UNAVAILABLE, "not_confirmed"),
    HandshakeRejected: (HTTPStatus.FORBIDDEN, "challenge"),
    KeysUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, ""),
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"),
    BodyCutShort: (HTTPStatus.BAD_REQUEST, "cut_short"),
    BodyTooSlow: (HTTPStatus.REQUEST_TIMEOUT, "too_slow"),
    ForeignAddress: (HTTPStatus.FORBIDDEN, "foreign_address"),
    LengthMissing: (HTTPStatus.LENGTH_REQUIRED, "no_length"),
}


def _signature_errors(kind: type[SignatureError] = SignatureError) -> Iterator[type[SignatureError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _signature_errors(each)


CUT_SHORT, CHALLENGE, OTHER_CONTENT = "cut_short", "challenge", "other_content"
OF_SIGNATURES = frozenset(it.code for it in _signature_errors())
REASONS = sorted(
    {CUT_SHORT, CHALLENGE, OTHER_CONTENT} | OF_SIGNATURES | {reason for _, reason in _STATUSES.values() if reason}
)
"""The reasons for which requests are refused, as they are recorded."""


def status_and_reason(error: Exception) -> tuple[HTTPStatus, str]:
    """Return the status and the recorded reason of a refusal; a signature error without a status of its own gives 401.

    An OSError is a broken connection.
    """
    status, reason = _STATUSES.get(type(error), (HTTPStatus.UNAUTHORIZED, ""))
    if isinstance(error, SignatureError):
        return status, error.code
    return (HTTPStatus.BAD_REQUEST, CUT_SHORT) if isinstance(error, OSError) else (status, reason)
