"""Which source is meant: a picture of each in memory, a second old at most, its secrets open.

The door asks this for every request, so it costs one statement a second and source instead of one a request. A
changed secret, a pause or a deletion is therefore obeyed within ``FRESH`` seconds by every process. Unknown names
are not remembered: whoever guesses must not fill the memory.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q

from webhooks import schemes
from webhooks.models import Source
from webhooks.protocol.ids import parse
from webhooks.protocol.sealing import Sealer

FRESH = 1.0  # seconds
MOST = 10_000  # pictures kept; at more, all are taken anew


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source as the door needs it."""

    id: UUID
    scheme: str
    options: dict[str, str]
    tolerance: int
    public_url: str
    message_id_at: str
    event_type_at: str
    order_key_at: str
    max_bytes: int
    rate_per_minute: int | None
    content_types: list[str]
    answer_status: int
    answer_body: str
    answer_type: str
    answer_when: str
    answer_within: int
    paused_at: datetime | None
    deleted_at: datetime | None
    sealed: tuple[tuple[str, datetime | None], ...]
    """Secrets in the clear, newest first, each with the moment it expires."""

    def secrets(self, now: datetime) -> list[str]:
        return [text for text, expires_at in self.sealed if expires_at is None or now < expires_at]

    def proof(self) -> schemes.Scheme:
        """How it signs. Raises UnknownScheme, BadOptions."""
        return schemes.get(self.scheme, self.options)

    def secret_headers(self) -> frozenset[str]:
        """Headers of its own choice that hold the secret itself."""
        return frozenset({self.options.get("header", "").lower()} if self.scheme == "token" else ())


_FIELDS = tuple(name for name in KnownSource.__slots__ if name != "sealed")
_known: dict[str, tuple[float, KnownSource]] = {}


def find(name: str) -> KnownSource | None:
    """The source of this id or uid, or None."""
    now = time.monotonic()
    remembered = _known.get(name)
    if remembered is not None and now - remembered[0] < FRESH:
        return remembered[1]
    picture = _load(name)
    if picture is None:
        _known.pop(name, None)
        return None
    if len(_known) >= MOST:
        _known.clear()
    _known[name] = (now, picture)
    return picture


def forget() -> None:
    """Forget every picture: the next request sees the tables."""
    _known.clear()


def named(name: str) -> Q:
    """The condition of being the source of this id or uid. Any text will do."""
    try:
        return Q(id=parse("src", name))
    except ValueError:
        return Q(uid=name.replace("\0", ""))


def _load(name: str) -> KnownSource | None:
    found = Source.objects.filter(named(name)).values(*_FIELDS, "secrets__sealed", "secrets__expires_at")
    rows = list(found.order_by(F("deleted_at").desc(nulls_first=True), "id", "-secrets__id"))
    if not rows:
        return None
    opened = [
        (sealer().unseal(row["secrets__sealed"]), row["secrets__expires_at"])
        for row in rows
        if row["id"] == rows[0]["id"] and row["secrets__sealed"] is not None
    ]
    return KnownSource(**{field: rows[0][field] for field in _FIELDS}, sealed=tuple(opened))


def sealer() -> Sealer:
    """The sealer of this installation's encryption keys."""
    return _sealer_of(tuple(settings.WAYPOST_ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _sealer_of(keys: tuple[str, ...]) -> Sealer:
    return Sealer(keys)
