"""A bearer key is shown once and kept as a digest; asking whose it is costs a look into memory, not a query.

Every request asks. So a process remembers a key it has found for a second: that is how long a key may outlive
its revocation in another process (in this one it ends at once). Unknown keys are not remembered: whoever
guesses pays a query per guess, and cannot push the real ones out.
"""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from time import monotonic

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import ApiKey, Scope, Tenant

__all__ = ["DEFAULT_OVERLAP", "MAX_OVERLAP", "create_key", "find_key", "is_valid", "revoke_key", "rotate_key"]

REMEMBERED_FOR = 1.0  # seconds
MAX_REMEMBERED = 10_000  # keys per process
USE_NOTED_EVERY = timedelta(minutes=1)
MAX_OVERLAP = 7 * 86_400  # seconds
DEFAULT_OVERLAP = 86_400  # seconds

_FORM = re.compile(r"wp_[A-Za-z0-9_-]{43}")
_HINT = 11  # characters: wp_ and eight more, 48 of the key's 256 bits

_remembered: dict[bytes, tuple[float, ApiKey]] = {}


def create_key(
    tenant: Tenant | None, scopes: Collection[str], name: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its text, which nobody can find out again. Without a tenant it is an operator's.

    Raises Refused for no or unknown scopes, or an expiry in the past.
    """
    unknown = set(scopes) - set(Scope.values)
    if unknown or not scopes:
        raise Invalid("scopes", f"Give at least one of: {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("expires_at", "This moment has passed.")
    text = "wp_" + token_urlsafe(32)
    key = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        digest=_digest(text),
        key_prefix=text[:_HINT],
        scopes=[scope for scope in Scope.values if scope in scopes],
        expires_at=expires_at,
    )
    return key, text


def find_key(text: str) -> ApiKey | None:
    """The key with this text, its tenant loaded; None if there is none, or it is revoked, expired or orphaned."""
    if not _FORM.fullmatch(text):
        return None
    digest = _digest(text)
    found_at, key = _remembered.get(digest, (0.0, None))
    if key is None or monotonic() - found_at >= REMEMBERED_FOR:
        key = _look_up(digest)
    return key if key is not None and is_valid(key) else None


def is_valid(key: ApiKey) -> bool:
    """Whether the key opens anything at this moment."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= timezone.now()):
        return False
    return key.tenant is None or key.tenant.deleted_at is None


def rotate_key(
    key: ApiKey, overlap_seconds: int = DEFAULT_OVERLAP, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key with the name and scopes of this one, which ends after the overlap (0 to 7 days, in seconds).

    Raises NotNow for a key that has ended already, Refused for an overlap out of bounds.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP:
        raise Invalid("overlap_seconds", f"Give 0 to {MAX_OVERLAP} seconds.")
    with transaction.atomic():
        old = ApiKey.objects.select_for_update(of=["self"]).select_related("tenant").get(pk=key.pk)
        if not is_valid(old):
            raise StateConflict("key", "This key is not valid any more: create a new one.")
        ends_at = timezone.now() + timedelta(seconds=overlap_seconds)
        old.expires_at = min(old.expires_at or ends_at, ends_at)
        old.save(update_fields=["expires_at"])
        made = create_key(old.tenant, old.scopes, old.name, expires_at)
    _remembered.pop(bytes(old.digest), None)
    return made


def revoke_key(key: ApiKey) -> None:
    """The key opens nothing from now on. A second time changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    _remembered.pop(bytes(key.digest), None)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _look_up(digest: bytes) -> ApiKey | None:
    asked_at = monotonic()
    key = ApiKey.objects.select_related("tenant__plan").filter(digest=digest).first()
    if key is None or not compare_digest(bytes(key.digest), digest):
        _remembered.pop(digest, None)
        return None
    if len(_remembered) >= MAX_REMEMBERED:
        _remembered.clear()
    _remembered[digest] = asked_at, key
    _note_use(key)
    return key


def _note_use(key: ApiKey) -> None:
    """Once a minute at most, whatever the number of processes: the row is not written per request."""
    now = timezone.now()
    before = now - USE_NOTED_EVERY
    if is_valid(key) and (key.last_used_at is None or key.last_used_at <= before):
        stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
