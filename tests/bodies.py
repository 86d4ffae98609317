"""Store bodies by claim check as the receiver does."""

from collections.abc import Callable, Iterator
from uuid import UUID

from webhooks.kit.bodies.claim_check import IncomingBody, StoredBody


def store_body(chunks: Iterator[bytes], object_id: UUID, on_chunk: Callable[[bytes], None]) -> StoredBody:
    """Store these chunks; nothing is stored if ``chunks`` or ``on_chunk`` raises."""
    body = IncomingBody(object_id, on_chunk)
    try:
        for chunk in chunks:
            if body.add(chunk):
                body.flush()
        body.flush()
    except BaseException:
        body.discard()
        raise
    return body.store()
