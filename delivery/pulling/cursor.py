"""Name a position in what one consumer was handed out: the ``after`` of its next request.

PURE. A cursor is opaque to consumers: 48 bytes in base64 for URLs.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple
from uuid import UUID

from webhooks.wire.ids import new_id

BYTES = 48
NOTHING = UUID(int=0)


class Cursor(NamedTuple):
    """Name the last delivery that a session was handed out: under this token, by its id."""

    consumer: UUID
    token: UUID = NOTHING
    last: UUID = NOTHING

    def __str__(self) -> str:
        return urlsafe_b64encode(b"".join(key.bytes for key in self)).decode()


def new_session() -> Cursor:
    """Return the cursor of a new session, which was handed out nothing."""
    return Cursor(new_id())


def read_cursor(text: str) -> Cursor:
    """Return the cursor that a consumer gave. Raises ValueError for any other text."""
    raw = urlsafe_b64decode(text.encode("ascii", "replace"))
    if len(raw) != BYTES:
        raise ValueError(f"a cursor has {BYTES} bytes")
    return Cursor(*(UUID(bytes=raw[begin : begin + 16]) for begin in range(0, BYTES, 16)))
