"""Store the response of a POST with an ``Idempotency-Key``, and return it when the request is repeated.

draft-ietf-httpapi-idempotency-key-header-07. The response is stored in the transaction of the request, so a crash
leaves both or neither. While the first request runs, it holds an advisory lock that ends with its transaction; a
repetition gets a conflict meanwhile. Only success is stored: a failed request wrote nothing, and its key can be used
again. Responses may contain a secret that is shown once, so each is encrypted, and deleted after a day.

A key belongs to a tenant, its scopes and a path: a rotated key gets the same response, and no caller gets one that it
could not have caused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson
from django.db import Error, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from subscriptions.errors import Invalid, StateConflict
from subscriptions.tenants.models import StoredResponse
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.kit.postgresql.session import kept_session

KEPT_FOR = timedelta(hours=24)
FIELD = "Idempotency-Key"
MAX_LENGTH = 255  # characters of a key
DELETED_AT_ONCE = 10_000  # rows in one statement

# A string of RFC 9651, section 3.3.3, or the bare characters that most clients send.
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")


class KeyReused(Invalid):
    """Signal a key that was used for another request."""


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """Hold a response that is returned again."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """Identify a request by the digests of its key with caller and path, and of its content."""

    id: bytes
    content: bytes

    @classmethod
    def of(cls, key: str, *, caller: Iterable[str], path: str, content: Iterable[bytes]) -> "IdempotentRequest":
        """Compute both digests. ``caller`` is all that decides what it may do, ``content`` all that it requests."""
        return cls(_digest(part.encode() for part in (key, path, *caller)), _digest(content))


def read_key(header: str) -> str:
    """Return the key in a header. Raises Invalid for one that is empty, too long, or not visible ASCII."""
    text = header.strip(" \t")
    if text.startswith('"'):
        string = _STRING.fullmatch(text)
        key = re.sub(r"\\(.)", r"\1", string[1]) if string else ""
    else:
        key = text if _BARE.fullmatch(text) else ""
    if not 1 <= len(key) <= MAX_LENGTH:
        raise Invalid(FIELD, f"Must be 1 to {MAX_LENGTH} visible ASCII characters, preferably in quotes.")
    return key


def begin_in_transaction(request: IdempotentRequest) -> RecordedResponse | None:
    """Return the stored response; None for the first request, which holds a lock until the transaction ends.

    Raises StateConflict while another request with this key runs, KeyReused if the key belongs to another request.
    """
    _lock("pg_try_advisory_xact_lock", request, connections[connection.alias])
    return _stored_response(request)


@contextmanager
def begin_outside_transaction(request: IdempotentRequest) -> Iterator[RecordedResponse | None]:
    """Return as ``begin_in_transaction``, for work that must not run in a transaction; the lock ends with the block.

    A process killed between its work and ``store_response`` lets the work be done again.
    """
    with kept_session() as session:
        _lock("pg_try_advisory_lock", request, session)
        try:
            yield _stored_response(request)
        finally:
            with suppress(Error, StateConflict):  # a lost connection has lost its lock too
                _lock("pg_advisory_unlock", request, session)


def _lock(function: str, request: IdempotentRequest, session: BaseDatabaseWrapper) -> None:
    with session.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [int.from_bytes(request.id[:8], signed=True)])
        (is_locked,) = cursor.fetchone() or (False,)
    if not is_locked:
        raise StateConflict(FIELD, "A request with this key is in progress; retry later.")


def _stored_response(request: IdempotentRequest) -> RecordedResponse | None:
    row = StoredResponse.objects.filter(request_id=request.id, created_at__gt=timezone.now() - KEPT_FOR).first()
    if row is None:
        return None
    if bytes(row.content_digest) != request.content:
        raise KeyReused(FIELD, "This key was used for another request; use a new key for each request.")
    try:
        stored: tuple[Mapping[str, str], str] = orjson.loads(decrypt(row.ciphertext))
    except CannotDecrypt:
        raise StateConflict(FIELD, "The request was completed, but its response cannot be decrypted.") from None
    headers, body = stored
    return RecordedResponse(row.status, dict(headers), body.encode())


def store_response(request: IdempotentRequest, response: RecordedResponse) -> None:
    """Store a response, in the caller's transaction if it has one."""
    columns = {
        "content_digest": request.content,
        "status": response.status,
        "ciphertext": encrypt(orjson.dumps([response.headers, response.body.decode()]).decode()),
        "created_at": timezone.now(),
    }
    StoredResponse.objects.update_or_create(request_id=request.id, defaults=columns)


def delete_expired() -> int:
    """Delete the responses older than KEPT_FOR; return how many."""
    total = 0
    while True:
        expired = StoredResponse.objects.filter(created_at__lte=timezone.now() - KEPT_FOR).order_by("created_at")
        ids = list(expired.values_list("pk", flat=True)[:DELETED_AT_ONCE])
        count, _ = StoredResponse.objects.filter(pk__in=ids).delete()
        total += count
        if count < DELETED_AT_ONCE:
            return total


def _digest(parts: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of the parts, each with its length, so that no two lists of parts give the same bytes."""
    digest: Any = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return bytes(digest.digest())
