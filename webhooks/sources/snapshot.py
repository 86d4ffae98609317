"""Cache each source in memory, at most a second old, with its secrets decrypted.

Receiving looks up the source of every request; the cache makes that one or two statements a second and source, in the
background while requests come. A changed secret, a pause or a deletion therefore takes effect within a second in every
process.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from webhooks import schemes
from webhooks.kit.caches.short_text_cache import short_text_cache
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.encryption import decrypt
from webhooks.kit.fair.shared_queries import SharedQueries
from webhooks.models import Source
from webhooks.senders.handshake import HUB, Rule, read_rules
from webhooks.wire.ids import parse


@dataclass(frozen=True, slots=True)
class SecretSnapshot:
    """A decrypted secret."""

    id: UUID
    text: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True)  # without slots, for what is computed once
class SourceSnapshot:
    """The fields of a source that receiving needs; ``secrets`` are newest first."""

    id: UUID
    tenant_id: UUID | None
    uid: str | None
    scheme: str
    options: dict[str, str]
    handshake: list[dict[str, Any]]
    timestamp_tolerance_seconds: int
    public_url: str
    message_id_path: str
    dedupe: str
    dedupe_window_seconds: int
    event_type_path: str
    envelope: str
    order_key_path: str
    allowed_networks: list[str]
    max_bytes: int
    allowed_origins: list[str]
    rate_per_minute: int | None
    content_types: list[str]
    response_status: int
    response_body: str | None
    response_content_type: str
    response_when: str
    response_timeout_seconds: int
    responses: dict[str, dict[str, Any]]
    paused_at: datetime | None
    deleted_at: datetime | None
    verify_token: str
    secrets: tuple[SecretSnapshot, ...]

    @property
    def accepts_messages(self) -> bool:
        """Return whether the source is neither paused nor deleted."""
        return self.paused_at is None and self.deleted_at is None

    def active_secrets(self, now: datetime) -> list[SecretSnapshot]:
        """Return the secrets that signatures are checked with now."""
        return [secret for secret in self.secrets if secret.expires_at is None or now < secret.expires_at]

    @property
    def owner(self) -> Hashable:
        """Return whose share of limited resources the source uses: the tenant's, or its own if no tenant owns it."""
        return self.tenant_id or self.id

    @cached_property
    def scheme_with_options(self) -> schemes.Scheme:
        """The scheme with the options of this source. Raises UnknownScheme, BadOptions."""
        return schemes.get(self.scheme, self.options)

    @cached_property
    def handshake_rules(self) -> tuple[Rule, ...]:
        """The rules of the source, or else those of its scheme, and that of a verify token."""
        of_scheme = schemes.SCHEMES[self.scheme].handshake if self.scheme in schemes.SCHEMES else ()
        own: list[Mapping[str, Any]] = [*of_scheme, *([HUB] if self.verify_token else [])]
        return read_rules(self.handshake or own)

    @cached_property
    def credential_headers(self) -> frozenset[str]:
        """Return the names of configured headers that contain the secret itself, in lower case."""
        return frozenset({self.options.get("header", "").lower()} if self.scheme in ("token", "jwt") else ())


_FIELDS = tuple(item.name for item in fields(SourceSnapshot) if item.name not in ("secrets", "verify_token"))
_SECRET = ("secrets__id", "secrets__ciphertext", "secrets__expires_at")


def find_source(name: str) -> SourceSnapshot | None:
    """Return the source with this id (``src_...``), which its address ends with; None if there is none."""
    key = _key(name)
    return None if key is None else _snapshots.get(key)


def clear_snapshots() -> None:
    """Empty the cache of this process, so that its next request sees the tables."""
    _snapshots.clear()
    _missing.clear()


class SourceLookup:
    """Find sources in an event loop: in the cache, or on a thread; requests for one source share a query.

    A source that is known is loaded again on behalf of itself, and an unknown one on behalf of the client, so
    that a client that guesses ids delays only itself. An id that was not found is not looked up again for a second.
    """

    def __init__(self) -> None:
        self._queries: SharedQueries[UUID, SourceSnapshot | None] = SharedQueries(_find)

    async def find(self, name: str, client: Hashable) -> SourceSnapshot | None:
        """Return the source with this id, or None. Raises ShareExceeded, and what ``find_source`` raises."""
        key = _key(name)
        if key is None or _missing.peek(key)[1]:
            return None
        known, is_fresh = _snapshots.peek(key)
        if is_fresh:
            return known
        return await self._queries.run(key, client if known is None else ("source", key))


@short_text_cache(4096)
def _key(name: str) -> UUID | None:
    try:
        return parse(Source.prefix, name)
    except ValueError:
        return None


def _find(key: UUID) -> SourceSnapshot | None:
    found = _snapshots.get(key)
    if found is None:
        _missing.get(key)
    return found


def _load(key: UUID) -> SourceSnapshot | None:
    rows = list(Source.objects.filter(id=key).order_by("-secrets__id").values(*_FIELDS, "verify_token", *_SECRET))
    if not rows:
        return None
    secrets = tuple(
        SecretSnapshot(row["secrets__id"], decrypt(row["secrets__ciphertext"]), row["secrets__expires_at"])
        for row in rows
        if row["secrets__ciphertext"] is not None
    )
    token = rows[0]["verify_token"]
    values = {name: rows[0][name] for name in _FIELDS}
    return SourceSnapshot(**values, verify_token="" if token is None else decrypt(token), secrets=secrets)


_snapshots = TimedCache(_load, refreshes=True)  # by id
_missing: TimedCache[UUID, bool] = TimedCache(lambda _: True)  # ids that no source has
