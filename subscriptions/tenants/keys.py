"""Create, find, rotate and revoke API keys, and cache them for a second.

A key is shown once and stored as a digest. Every request looks its key up. Since a process caches keys, a key may work
for a second more after another process revoked it. Unknown keys are not cached: guessing costs a query each and evicts
nothing.
"""

import re
from collections.abc import Collection, Hashable
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import ApiKey, Endpoint, Role, Scope, Tenant
from webhooks.kit.caches.timed_cache import TimedCache

RECORD_USE_EVERY = timedelta(minutes=1)
MAX_OVERLAP = 7 * 86_400  # seconds
DEFAULT_OVERLAP = 86_400  # seconds

SCOPES_OF_ROLES: dict[Role, Collection[str]] = {  # the most that a key of the role may have
    Role.VIEWER: (Scope.READ,),
    Role.SUPPORT: (Scope.READ,),
    Role.OPERATOR: Scope.values,
    Role.ADMINISTRATOR: Scope.values,
}

_FORM = re.compile(r"wp_[A-Za-z0-9_-]{43}")
_PREFIX = 11  # characters stored to tell keys apart: wp_ and eight more, 48 of the key's 256 bits


def create_key(
    tenant: Tenant | None,
    scopes: Collection[str],
    name: str = "",
    expires_at: datetime | None = None,
    endpoint: Endpoint | None = None,
    role: str | None = None,
) -> tuple[ApiKey, str]:
    """Create a key, a platform key without a tenant; return it with its text, which is not stored.

    ``endpoint``: the only one of the tenant that the key may read or change. ``role``: limits the key to what the role
    may do; without scopes it has all of the role. Raises Invalid for missing or unknown scopes, those that the role
    lacks, an unknown role, an expiry in the past, or a key that is limited to an endpoint and may publish.
    """
    scopes = scopes_of(role, scopes)
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("expires_at", "Must be in the future.")
    if endpoint is not None and Scope.PUBLISH in scopes:
        raise Invalid("scopes", "A key that is limited to an endpoint cannot publish; give it read, manage or both.")
    text = "wp_" + token_urlsafe(32)
    key = ApiKey.objects.create(
        tenant=tenant,
        endpoint=endpoint,
        name=name,
        digest=_digest(text),
        key_prefix=text[:_PREFIX],
        scopes=scopes,
        role=role,
        expires_at=expires_at,
    )
    return key, text


def scopes_of(role: str | None, scopes: Collection[str]) -> list[str]:
    """Return the scopes of a new key: those that are given, all of its role without any. Raises Invalid."""
    if role is not None and role not in Role.values:
        raise Invalid("role", f"Must be one of: {', '.join(Role.values)}.")
    held = Scope.values if role is None else SCOPES_OF_ROLES[Role(role)]
    possible = [scope for scope in Scope.values if scope in held]
    if role is not None and not scopes:
        return possible
    if not scopes or set(scopes) - set(Scope.values):
        raise Invalid("scopes", f"Must be one or more of: {', '.join(Scope.values)}.")
    if set(scopes) - set(possible):
        raise Invalid("scopes", f"The role {role} has only: {', '.join(possible)}.")
    return [scope for scope in possible if scope in scopes]


def find_key(text: str) -> ApiKey | None:
    """Return the valid key with this text, with its tenant and plan loaded; else None."""
    if not _FORM.fullmatch(text):
        return None
    key = cached_keys.get(_digest(text))
    return key if key is not None and is_valid(key) else None


def peek_key(text: str) -> tuple[ApiKey | None, bool]:
    """Return the key with this text if this process has seen it, and whether that is recent enough to rely on.

    For callers that must not query. A recent key is checked as ``find_key`` checks it; an older one only tells the
    tenant.
    """
    if not _FORM.fullmatch(text):
        return None, True
    key, is_recent = cached_keys.peek(_digest(text))
    if key is not None and is_recent and not is_valid(key):
        return None, True
    return key, is_recent


def expiry_of(text: str) -> datetime | None:
    """Return when the key with this text expired, None if anything else makes it invalid. Call after ``find_key``."""
    if not _FORM.fullmatch(text):
        return None
    key, _ = cached_keys.peek(_digest(text))
    if key is None or key.revoked_at is not None or (key.tenant is not None and key.tenant.deleted_at is not None):
        return None
    return key.expires_at if key.expires_at is not None and key.expires_at <= timezone.now() else None


def share_of(key: ApiKey) -> Hashable:
    """Return whose share of limited resources a request with this key uses: the tenant's, or the platform key's own."""
    return "tenant", key.tenant_id or key.pk


def is_valid(key: ApiKey) -> bool:
    """Return whether the key is neither revoked nor expired, and neither its tenant nor its endpoint deleted."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= timezone.now()):
        return False
    if key.endpoint is not None and key.endpoint.deleted_at is not None:
        return False
    return key.tenant is None or key.tenant.deleted_at is None


def rotate_key(
    key: ApiKey, overlap_seconds: int = DEFAULT_OVERLAP, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Create a key with the name, role and scopes of this one, which expires after the overlap.

    ``overlap_seconds``: 0 to MAX_OVERLAP. Raises StateConflict for a key that is not valid, Invalid for an overlap out
    of bounds or an expiry in the past.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP:
        raise Invalid("overlap_seconds", f"Must be from 0 to {MAX_OVERLAP} seconds.")
    with transaction.atomic():
        old = ApiKey.objects.select_for_update(of=["self"]).select_related("tenant", "endpoint").get(pk=key.pk)
        if not is_valid(old):
            raise StateConflict("key", "The key is revoked or expired; create a new one.")
        ends_at = timezone.now() + timedelta(seconds=overlap_seconds)
        old.expires_at = min(old.expires_at or ends_at, ends_at)
        old.save(update_fields=["expires_at"])
        created = create_key(old.tenant, old.scopes, old.name, expires_at, old.endpoint, old.role)
    cached_keys.discard(bytes(old.digest))
    return created


def revoke_key(key: ApiKey) -> None:
    """Revoke the key: at once in this process, within a second in others. Idempotent."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    cached_keys.discard(bytes(key.digest))


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _load(digest: bytes) -> ApiKey | None:
    key = ApiKey.objects.select_related("tenant__plan", "endpoint").filter(digest=digest).first()
    if key is None or not compare_digest(bytes(key.digest), digest):
        return None
    _record_use(key)
    return key


def _record_use(key: ApiKey) -> None:
    """Record when a valid key was used, at most once a minute for all processes."""
    now = timezone.now()
    before = now - RECORD_USE_EVERY
    if is_valid(key) and (key.last_used_at is None or key.last_used_at <= before):
        due = Q(last_used_at=None) | Q(last_used_at__lte=before)
        ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now


cached_keys = TimedCache(_load, refreshes=True)  # by digest
