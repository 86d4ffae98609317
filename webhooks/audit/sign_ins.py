"""Record sign-ins and failed ones, and lock accounts after too many failures.

The entries of the audit are the count, so that all processes and machines count together: failures of a name from one
address, and of a name from anywhere. A lock ends by itself; it also holds for the right password, so that guessing
learns nothing.
"""

from datetime import timedelta
from typing import Any

import structlog
from django.http import HttpRequest
from django.utils import timezone

from webhooks.audit.entries import record
from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.operation import Operation, current_operation
from webhooks.wire.ids import first_id_at

MAX_FAILURES = 5  # of one name from one address, within LOCK
MAX_FAILURES_ANYWHERE = 50  # of one name from all addresses: more than a person mistypes
LOCK = timedelta(minutes=15)
MAX_NAME = 64  # characters of a name that are kept

Action = AuditEntry.Action
_log = structlog.get_logger("waypost.sign_in")


def is_locked(name: str, address: str) -> bool:
    """Return whether sign-ins with this name from this address are refused now. Index: audit_by_actor."""
    since = first_id_at(timezone.now() - LOCK)
    tried = AuditEntry.objects.filter(actor_type=AuditEntry.Actor.ANONYMOUS, actor_id=_kept(name), id__gte=since)
    done = tried.filter(address=address, action=Action.SIGNED_IN).order_by("-id").values_list("id", flat=True).first()
    failed = tried.filter(action=Action.SIGN_IN_FAILED)
    here = failed.filter(address=address, **({"id__gt": done} if done else {}))[:MAX_FAILURES].count()
    return here >= MAX_FAILURES or failed[:MAX_FAILURES_ANYWHERE].count() >= MAX_FAILURES_ANYWHERE


def record_sign_in(request: HttpRequest | None, user: Any, **_signal: Any) -> None:
    """Record that a user has signed in (receiver of ``user_logged_in``)."""
    operation = _attempt(request, user.get_username())
    operation.about(user)
    operation.object_name = user.get_username()[:256]
    record(operation, Action.SIGNED_IN)
    _log.info("signed in", user=user.get_username(), address=operation.address)


def record_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: Any) -> None:
    """Record that a sign-in has failed (receiver of ``user_login_failed``), and say when that locks the name."""
    name = str(credentials.get("username", ""))
    operation = _attempt(request, name)
    was_locked = is_locked(name, operation.address)
    record(operation, Action.SIGN_IN_FAILED)
    _log.warning("sign-in failed", user=name[:MAX_NAME], address=operation.address)
    if not was_locked and is_locked(name, operation.address):
        record(operation, Action.LOCKED_OUT)
        _log.warning("sign-in locked", user=name[:MAX_NAME], address=operation.address, minutes=LOCK.seconds // 60)


def _attempt(request: HttpRequest | None, name: str) -> Operation:
    """Return the operation of an attempt to sign in, whose actor is the name that was given."""
    running = current_operation()
    address = str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
    operation = Operation(origin="admin", name="sign-in", address=address)
    if running is not None:
        operation.id, operation.request_id = running.id, running.request_id
    operation.actor_type, operation.actor_id, operation.actor_name = "anonymous", _kept(name), name[:256]
    operation.object_type = "user"
    return operation


def _kept(name: str) -> str:
    return name.strip().casefold()[:MAX_NAME]
