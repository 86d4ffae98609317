"""Which source is meant: a picture of each in memory, a second old at most, its secrets open.

The door asks this for every request, so it costs one statement a second and source instead of one a request. A
changed secret, a pause or a deletion is therefore obeyed within ``FRESH`` seconds by every process. Unknown names
are not remembered: whoever guesses must not fill the memory.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q

from webhooks import schemes
from webhooks.kit.encryption import decrypt
from webhooks.models import Source
from webhooks.wire.ids import parse

FRESH = 1.0  # seconds
MOST = 10_000  # pictures kept; at more, all are taken anew


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source as the door needs it."""

    id: UUID
    uid: str | None
    scheme: str
    options: dict[str, str]
    tolerance: int
    public_url: str
    message_id_at: str
    event_type_at: str
    order_key_at: str
    max_bytes: int
    allowed_origins: list[str]
    rate_per_minute: int | None
    content_types: list[str]
    answer_status: int
    answer_body: str
    answer_type: str
    answer_when: str
    answer_within: int
    paused_at: datetime | None
    deleted_at: datetime | None
    verify_token: str
    opened: tuple["KnownSecret", ...]
    """Newest first."""

    @property
    def is_open(self) -> bool:
        """Does it take messages?"""
        return self.paused_at is None and self.deleted_at is None

    def believed(self, now: datetime) -> list["KnownSecret"]:
        """The secrets its signatures are checked with now."""
        return [secret for secret in self.opened if secret.expires_at is None or now < secret.expires_at]

    def proof(self) -> schemes.Scheme:
        """How it signs. Raises UnknownScheme, BadOptions."""
        return schemes.get(self.scheme, self.options)

    def secret_headers(self) -> frozenset[str]:
        """Headers of its own choice that hold the secret itself."""
        return frozenset({self.options.get("header", "").lower()} if self.scheme in ("token", "jwt") else ())


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret in the clear."""

    id: UUID
    text: str = field(repr=False)
    expires_at: datetime | None


_FIELDS = tuple(name for name in KnownSource.__slots__ if name not in ("opened", "verify_token"))
_SECRET = ("secrets__id", "secrets__ciphertext", "secrets__expires_at")
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
    found = Source.objects.filter(named(name)).values(*_FIELDS, "verify_token", *_SECRET)
    rows = list(found.order_by(F("deleted_at").desc(nulls_first=True), "id", "-secrets__id"))
    if not rows:
        return None
    opened = tuple(
        KnownSecret(row["secrets__id"], decrypt(row["secrets__ciphertext"]), row["secrets__expires_at"])
        for row in rows
        if row["id"] == rows[0]["id"] and row["secrets__ciphertext"] is not None
    )
    token = rows[0]["verify_token"]
    values = {name: rows[0][name] for name in _FIELDS}
    return KnownSource(**values, verify_token="" if token is None else decrypt(token), opened=opened)
