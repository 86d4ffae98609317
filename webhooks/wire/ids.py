"""Make ids: UUIDv7 in the database, and the same 128 bits as a TypeID with a prefix in the API.

``evt_01m83t2ghzevcannga6my0tf3k`` is the TypeID (specification 0.3) of exactly one UUID, so only the UUID is stored,
ids sort by time of creation, and the id of another kind of resource is rejected by its prefix without a query.
"""

from datetime import UTC, datetime
from uuid import UUID

from typeid import TypeID
from typeid.errors import TypeIDException
from uuid_utils.compat import uuid7

URN = "urn:waypost:"  # begins the source of an event whose sender named none: the id of the resource follows

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # base32 of the TypeID specification, 5 bits a character
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562 section 5.7): unguessable, and ordered by the millisecond of its creation."""
    return uuid7()


def public(prefix: str, key: UUID) -> str:
    """Return the id of the API for a key, e.g. ``public("evt", key)``."""
    bits = key.int
    return f"{prefix}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def urn(prefix: str, key: UUID) -> str:
    """Return the source of the events of a resource, e.g. ``urn("src", key)``."""
    return URN + public(prefix, key)


def parse(prefix: str, text: str) -> UUID:
    """Return the key of an id with this prefix. Raises ValueError for any other text."""
    try:
        typeid = TypeID.from_string(text)
    except TypeIDException as error:
        raise ValueError(f"not an id: {text!r}") from error
    if typeid.prefix != prefix:
        raise ValueError(f"an id here begins with {prefix}_, this one does not: {text!r}")
    return UUID(bytes=typeid.uuid.bytes)


def first_id_at(moment: datetime) -> UUID:
    """Return the least UUIDv7 of this millisecond (RFC 9562, 5.7), or the nearest valid one."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def new_id_at(moment: datetime) -> UUID:
    """Make a UUIDv7 with this time in place of the present, for rows that are ordered by what they are about."""
    return UUID(int=first_id_at(moment).int | (new_id().int & (2**80 - 1)))


def moment_of(key: UUID) -> datetime:
    """Return when a UUIDv7 was made, to the millisecond, in UTC (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((key.int >> 80) / 1000, tz=UTC)
