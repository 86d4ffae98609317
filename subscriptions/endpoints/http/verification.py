"""Verify that an endpoint wants deliveries, since a URL may be registered by someone who does not own it.

The handshake is the abuse protection of "HTTP 1.1 Web Hooks for Event Delivery" (CloudEvents), section 4: an OPTIONS
request asks, and the target allows in the headers of its response, or later by calling a callback URL whose key only
it received. It may allow a rate, in requests per minute, which applies beside the endpoint's own limit. Every delivery
then names our origin. Returning the challenge of a signed test event verifies as well (delivery.single_attempts).

A verification is for the exact URL: changing the URL resets it. With ``WAYPOST_ENDPOINT_VERIFICATION=required`` an
endpoint that is created, moved or resumed is ``unverified`` and receives nothing until it is verified; with ``off``
the result is shown and nothing is required.
"""

import hashlib
import secrets
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Value, When
from django.utils import timezone

from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint, HttpSettings
from webhooks.kit.suspend import wait_for
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import CallFailed
from webhooks.outgoing.guarded_call import start_call
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse
from webhooks.wire.cloudevents import handshake

CALLBACK_VALID = timedelta(days=7)  # after the request
TIMEOUT = 10.0  # seconds for the OPTIONS request
PATH = "verification-callbacks"  # below /api/v1/

Verification = HttpSettings.Verification

_REQUESTED_UNLESS_VERIFIED = Case(
    When(verification=Verification.VERIFIED, then=Value(Verification.VERIFIED)), default=Value(Verification.REQUESTED)
)


class UnknownCallbackKey(Exception):
    """Signal a callback key that was never issued, was replaced, or is older than CALLBACK_VALID."""


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """Hold the outcome of a request: the state, the allowed rate per minute, and why it is not verified."""

    verification: str
    allowed_rate: int | None = None
    problem: str = ""


def is_required() -> bool:
    """Return whether endpoints receive nothing until they are verified."""
    return bool(settings.WAYPOST_ENDPOINT_VERIFICATION == "required")


def origin() -> str:
    """Return the DNS name that identifies this deployment to targets."""
    return urlsplit(settings.PUBLIC_URL).hostname or ""


def request_origin_header(row: HttpSettings) -> tuple[str, ...]:
    """Return the header that each delivery to a verified endpoint carries (section 4.1.1)."""
    is_verified = row.verification == Verification.VERIFIED
    return (f"webhook-request-origin: {origin()}",) if is_verified else ()


def check_has_url(endpoint: Endpoint) -> None:
    """Raise StateConflict for an endpoint of another type than http: only a URL has to be verified."""
    if endpoint.kind != HTTP:
        raise StateConflict("type", f"Endpoints of the type {endpoint.kind} are not verified; only a URL is.")


def request_verification(endpoint: Endpoint, rate: int | None = None) -> VerificationResult:
    """Send the OPTIONS request, asking for ``rate`` requests per minute if given.

    Suspends the request that calls it until the target has responded, up to TIMEOUT seconds: call it outside a
    transaction. Raises StateConflict if the endpoint was changed or deleted meanwhile, or PUBLIC_URL has no DNS name;
    TooManyCalls if the tenant has too many calls in progress.
    """
    pending = Verification.REQUESTED if _has_callback() else Verification.UNVERIFIED
    try:
        response = wait_for(lambda: _start_request(endpoint, rate))
    except ForbiddenAddress as error:
        return VerificationResult(pending, problem=str(error))
    except CallFailed as error:
        return VerificationResult(pending, problem=str(type(error).__doc__))
    if response.url != parse(endpoint.http.url, allow_http=True).url:  # changed while the request was suspended
        raise changed_meanwhile()
    found = handshake.read_response(response.headers, origin=origin(), requested_rate=rate)
    if not found.allowed:
        return VerificationResult(pending, problem=found.problem)
    mark_verified(endpoint, found.rate)
    return VerificationResult(Verification.VERIFIED, found.rate)


def _has_callback() -> bool:
    return settings.PUBLIC_URL.startswith("https://")


def _start_request(endpoint: Endpoint, rate: int | None) -> "Future[CallResponse]":
    """Send the OPTIONS request; record its callback key first, because the target may call back at once.

    Called once, although a suspended request runs twice: a second key would make the first one invalid.
    """
    key = secrets.token_urlsafe(32) if _has_callback() else None
    callback = f"{settings.PUBLIC_URL}/api/v1/{PATH}/{key}/" if key else None
    try:
        headers = handshake.request_headers(origin(), rate=rate, callback=callback)
    except ValueError:
        raise StateConflict("verification", "PUBLIC_URL must have a DNS name to request verification.") from None
    if key:
        _update(
            endpoint,
            verification=_REQUESTED_UNLESS_VERIFIED,
            verification_key_digest=_digest(key),
            verification_requested_at=timezone.now(),
        )
    return start_call("OPTIONS", endpoint.http.url, share=endpoint.tenant_id, headers=headers, timeout=TIMEOUT)


def accept_callback(key: str, headers: Any) -> VerificationResult:
    """Verify the endpoint whose target called the callback URL (section 4.1.3). Raises UnknownCallbackKey."""
    oldest = timezone.now() - CALLBACK_VALID
    rows = HttpSettings.objects.filter(verification_key_digest=_digest(key), verification_requested_at__gt=oldest)
    row = rows.filter(endpoint__deleted_at=None).select_related("endpoint").first()
    if row is None:
        raise UnknownCallbackKey
    found = handshake.read_callback(headers)
    if not found.allowed:
        return VerificationResult(Verification.REQUESTED, problem=found.problem)
    mark_verified(row.endpoint, found.rate)
    return VerificationResult(Verification.VERIFIED, found.rate)


def mark_verified(endpoint: Endpoint, rate: int | None = None) -> None:
    """Record that the endpoint is verified, at this rate per minute (None: any), and activate it if it waited for that.

    Raises StateConflict if the URL was changed or the endpoint deleted meanwhile.
    """
    now = timezone.now()
    waited = When(state=Endpoint.State.UNVERIFIED, then=Value(Endpoint.State.ACTIVE))
    with transaction.atomic():
        _update(endpoint, verification=Verification.VERIFIED, verified_at=now, verification_key_digest=None)
        Endpoint.objects.filter(pk=endpoint.pk).update(
            allowed_rate=rate,
            state=Case(waited, default="state"),
            state_changed_at=Case(When(state=Endpoint.State.UNVERIFIED, then=Value(now)), default="state_changed_at"),
        )


def reset(endpoint: Endpoint, row: HttpSettings) -> None:
    """Reset the verification of an endpoint whose URL changes, in memory."""
    row.verification, row.verified_at, row.verification_key_digest = Verification.UNVERIFIED, None, None
    endpoint.allowed_rate = None
    if is_required() and endpoint.state == Endpoint.State.ACTIVE:
        endpoint.state, endpoint.state_changed_at = Endpoint.State.UNVERIFIED, timezone.now()


@transaction.atomic
def _update(endpoint: Endpoint, **changes: Any) -> None:
    exists = Endpoint.objects.select_for_update().filter(pk=endpoint.pk, deleted_at=None).first() is not None
    same = HttpSettings.objects.filter(pk=endpoint.pk, url=endpoint.http.url)
    if not (exists and same.update(**changes)):
        raise changed_meanwhile()


def changed_meanwhile() -> StateConflict:
    """Return the error for an endpoint that is no longer at the URL that was asked."""
    return StateConflict("url", "The endpoint was changed or deleted meanwhile; request verification again.")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
