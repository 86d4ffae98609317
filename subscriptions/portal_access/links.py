"""Create, open and revoke portal links, and find sessions. All limits are here.

A link is opened once: its row is locked, so that one of concurrent requests opens it. The response that opens it
contains the token of the session, which is nowhere else. A session ends when it expires, when its link is revoked, and
when its tenant or its endpoint is deleted; each request looks it up.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from subscriptions.errors import Invalid
from subscriptions.models import Capability, PortalLink, Tenant

DEFAULT_LIFETIME = 300  # seconds in which a link can be opened
MAX_LIFETIME = 7 * 86_400  # seconds
DEFAULT_SESSION = 3600  # seconds
MAX_SESSION = 7 * 86_400  # seconds
KEPT_DAYS = 30  # for which a link that has ended can be read
OPEN_PATH = "/portal/open/"
RECORD_USE_EVERY = timedelta(minutes=1)
TOKEN = r"[A-Za-z0-9_-]{43}"  # noqa: S105 (the form of tokens; signed links have another)


def create_link(
    tenant: Tenant,
    *,
    capabilities: Collection[str] = tuple(Capability.values),
    expires_in: int = DEFAULT_LIFETIME,
    session_seconds: int = DEFAULT_SESSION,
    **fields: Any,
) -> tuple[PortalLink, str]:
    """Create a link that can be opened once within ``expires_in`` seconds; return it with its URL, which is not stored.

    Raises Invalid without a capability.
    """
    if not capabilities:
        raise Invalid("capabilities", f"Must be one or more of: {', '.join(Capability.values)}.")
    token = token_urlsafe(32)
    expires_at = timezone.now() + timedelta(seconds=expires_in)
    link = unsaved_link(
        tenant, token, expires_at.timestamp(), capabilities=capabilities, session_seconds=session_seconds, **fields
    )
    link.save(force_insert=True)
    return link, url_of(token)


def url_of(token: str) -> str:
    """Return the address of a link."""
    return f"{settings.PUBLIC_URL}{OPEN_PATH}{token}/"


def unsaved_link(
    tenant: Tenant,
    token: str,
    expires_at: float,
    *,
    capabilities: Collection[str],
    session_seconds: int = DEFAULT_SESSION,
    **fields: Any,
) -> PortalLink:
    """Return a link that is not stored. ``expires_at``: when it can no longer be opened, in seconds since 1970."""
    return PortalLink(
        tenant=tenant,
        digest=_digest(token),
        capabilities=[it for it in Capability.values if it in capabilities],
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        session_seconds=session_seconds,
        **fields,
    )


def is_known(link: PortalLink) -> bool:
    """Return whether a link with this token is stored: a signed one was opened then."""
    return PortalLink.objects.filter(digest=link.digest).exists()


def find_unopened(token: str) -> PortalLink | None:
    """Return the link with this token if it can be opened, without opening it."""
    return _unopened(token).first()


def open_link(token: str, address: str = "") -> tuple[PortalLink, str] | None:
    """Open a link; return it with the token of its session. None if it was opened, expired, revoked or never made."""
    with transaction.atomic():
        link = _unopened(token).select_for_update(of=["self"], no_key=True).first()
        if link is None:
            return None
        session = _begin_session(link, address)
        link.save(update_fields=["session_digest", "opened_at", "opened_from", "session_expires_at", "last_used_at"])
    return link, session


def open_unsaved(link: PortalLink, address: str = "") -> tuple[PortalLink, str] | None:
    """Store a link that is not, opened; return it with the token of its session. None if it was opened before.

    The digest of the link is unique, so that one of concurrent requests opens it.
    """
    session = _begin_session(link, address)
    try:
        with transaction.atomic():
            link.save(force_insert=True)
    except IntegrityError:
        return None
    return link, session


def _begin_session(link: PortalLink, address: str) -> str:
    """Give the link a session, without storing it; return the token of the session."""
    now, session = timezone.now(), token_urlsafe(32)
    link.session_digest, link.opened_at, link.opened_from = _digest(session), now, address
    link.session_expires_at = now + timedelta(seconds=link.session_seconds)
    link.last_used_at = now
    return session


def find_session(token: str) -> PortalLink | None:
    """Return the link whose session has this token, with tenant, plan and endpoint; None if the session has ended."""
    now = timezone.now()
    rows = _valid().filter(session_digest=_digest(token), session_expires_at__gt=now)
    link = rows.select_related("tenant__plan", "endpoint").first()
    if link is not None and (link.last_used_at is None or link.last_used_at <= now - RECORD_USE_EVERY):
        PortalLink.objects.filter(pk=link.pk).update(last_used_at=now)
    return link


def revoke_link(link: PortalLink) -> None:
    """Revoke a link and end its session at once. Idempotent."""
    PortalLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now())


def delete_expired() -> int:
    """Delete links that ended KEPT_DAYS ago; return how many."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    is_over = Q(session_expires_at=None) | Q(session_expires_at__lte=before)
    deleted, _ = PortalLink.objects.filter(is_over, expires_at__lte=before).delete()
    return deleted


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _valid() -> QuerySet[PortalLink]:
    is_existing = Q(endpoint_id=None) | Q(endpoint__deleted_at=None)
    return PortalLink.objects.filter(is_existing, tenant__deleted_at=None, revoked_at=None)


def _unopened(token: str) -> QuerySet[PortalLink]:
    return _valid().filter(digest=_digest(token), opened_at=None, expires_at__gt=timezone.now())
