"""Inside, rows have UUIDv7 keys; outside, the same 128 bits are a TypeID: a prefix that says what it is.

``evt_01m83t2ghzevcannga6my0tf3k`` is the TypeID (specification 0.3) of one UUID and no other, so nothing is
stored twice, ids sort by time of creation, and a delivery's id pasted where an endpoint's belongs is refused
by its prefix instead of being looked up.
"""

from uuid import UUID

from typeid import TypeID
from typeid.errors import TypeIDException
from uuid_utils.compat import uuid7

__all__ = ["new_id", "parse", "public"]


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562, 5.7): unguessable, and ordered by the millisecond it was made in."""
    return uuid7()


def public(prefix: str, key: UUID) -> str:
    """The id as the outside sees it, e.g. ``public("evt", key)``."""
    return str(TypeID.from_uuid(key, prefix))  # type: ignore[arg-type] # it reads key.bytes, which both kinds have


def parse(prefix: str, text: str) -> UUID:
    """The key behind an id of this prefix. Raises ValueError for anything else."""
    try:
        typeid = TypeID.from_string(text)
    except TypeIDException as error:
        raise ValueError(f"not an id: {text!r}") from error
    if typeid.prefix != prefix:
        raise ValueError(f"an id here begins with {prefix}_, this one does not: {text!r}")
    return UUID(bytes=typeid.uuid.bytes)
