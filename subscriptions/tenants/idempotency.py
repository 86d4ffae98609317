"""A POST with an ``Idempotency-Key`` takes place once; whoever sends it again gets the answer that was given.

(draft-ietf-httpapi-idempotency-key-header-07.) The answer is kept in the transaction that writes what it speaks of, so
there is never one without the other, and no crash opens the door again. While the first is under way it holds a lock
that ends with its transaction, and whoever comes meanwhile is told so. Only success is kept: after a refusal nothing
was written, and the key is as good as new. Answers may hold a secret that is shown once, so each is encrypted like a
secret, and swept a day after.

A key belongs to who may do the same (the tenant and the scopes, so that a rotation changes nothing) and to the address
it was sent to: the answer goes to nobody who could not have caused it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson
from django.db import Error, connection
from django.utils import timezone

from subscriptions.errors import Invalid, StateConflict
from subscriptions.tenants.models import StoredResponse
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt

__all__ = [
    "KEPT_FOR",
    "IdempotentRequest",
    "KeyReused",
    "RecordedResponse",
    "begin_in_transaction",
    "begin_outside_transaction",
    "delete_expired",
    "read_key",
    "store_response",
]

KEPT_FOR = timedelta(hours=24)
FIELD = "Idempotency-Key"
MAX_LENGTH = 255  # characters of a key
SWEPT_AT_ONCE = 10_000

# A string of RFC 9651, section 3.3.3, or what most clients send: the bare characters.
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")


class KeyReused(Invalid):
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """What was answered, and is answered again."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request as far as it matters here: under which name it is known, and what makes it the same one."""

    name: bytes
    content: bytes

    @classmethod
    def of(cls, key: str, *, whose: Iterable[str], address: str, content: Iterable[bytes]) -> "IdempotentRequest":
        """``whose``: everything that decides what the caller may do; ``content``: everything that it asks for."""
        return cls(_digest(part.encode() for part in (key, address, *whose)), _digest(content))


def read_key(header: str) -> str:
    """The key in this header. Raises Refused for one that is empty, too long, or not of visible ASCII."""
    text = header.strip(" \t")
    if text.startswith('"'):
        string = _STRING.fullmatch(text)
        key = re.sub(r"\\(.)", r"\1", string[1]) if string else ""
    else:
        key = text if _BARE.fullmatch(text) else ""
    if not 1 <= len(key) <= MAX_LENGTH:
        raise Invalid(FIELD, f"Give 1 to {MAX_LENGTH} visible ASCII characters, best in quotes.")
    return key


def begin_in_transaction(call: IdempotentRequest) -> RecordedResponse | None:
    """The answer that was given to this call; None if it is the first, which holds its lock from now on until the
    transaction ends. To be called in that transaction.

    Raises NotNow while another one is under way, OtherRequest if the key was used for something else.
    """
    _lock("pg_try_advisory_xact_lock", call)
    return _answered(call)


@contextmanager
def begin_outside_transaction(call: IdempotentRequest) -> Iterator[RecordedResponse | None]:
    """As ``begin``, for what must not run in a transaction: the lock is held within the block. What is killed between
    its work and the keeping of its answer may take place once more."""
    _lock("pg_try_advisory_lock", call)
    try:
        yield _answered(call)
    finally:
        with suppress(Error, StateConflict):  # who has lost the connection has lost the lock
            _lock("pg_advisory_unlock", call)


def _lock(function: str, call: IdempotentRequest) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [int.from_bytes(call.name[:8], signed=True)])
        (is_ours,) = cursor.fetchone() or (False,)
    if not is_ours:
        raise StateConflict(FIELD, "The request with this key is still under way: try again after a moment.")


def _answered(call: IdempotentRequest) -> RecordedResponse | None:
    reply = StoredResponse.objects.filter(request_id=call.name, created_at__gt=timezone.now() - KEPT_FOR).first()
    if reply is None:
        return None
    if bytes(reply.content_digest) != call.content:
        raise KeyReused(FIELD, "This key was used for another request: give each request a key of its own.")
    return _opened(reply)


def store_response(call: IdempotentRequest, answer: RecordedResponse) -> None:
    """Remember what was answered, in the transaction that wrote it if there is one."""
    kept = {
        "content_digest": call.content,
        "status": answer.status,
        "ciphertext": encrypt(orjson.dumps([answer.headers, answer.body.decode()]).decode()),
        "created_at": timezone.now(),
    }
    StoredResponse.objects.update_or_create(request_id=call.name, defaults=kept)


def delete_expired() -> int:
    """Forget the answers whose day is over. How many."""
    total = 0
    while True:
        old = StoredResponse.objects.filter(created_at__lte=timezone.now() - KEPT_FOR).order_by("created_at")
        count, _ = StoredResponse.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEPT_AT_ONCE])).delete()
        total += count
        if count < SWEPT_AT_ONCE:
            return total


def _opened(reply: StoredResponse) -> RecordedResponse:
    try:
        kept: tuple[Mapping[str, str], str] = orjson.loads(decrypt(reply.ciphertext))
    except CannotDecrypt:
        raise StateConflict(FIELD, "This request was answered, and its answer cannot be opened any more.") from None
    headers, body = kept
    return RecordedResponse(reply.status, dict(headers), body.encode())


def _digest(parts: Iterable[bytes]) -> bytes:
    """Of the parts with their lengths, so that nothing slips from one into the next."""
    digest: Any = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return bytes(digest.digest())
