"""Has the endpoint said that it wants what we send? Whoever registers an address is not always whose it is.

The handshake of "HTTP 1.1 Web Hooks for Event Delivery" (CloudEvents), section 4: we ask by OPTIONS, and the target
grants in headers of its answer, or later by calling an address with a key that only it was told. What it grants may
have a rate, requests per minute, which holds beside the endpoint's own limit; every delivery then names our
origin. An echo of a signed test event grants as well (see delivery.testing.endpoint_verification). A consent is for
the exact URL:
another URL has to be asked anew.

Policy (WAYPOST_CONSENT): ``off`` shows what was granted and asks for nothing. With ``required`` an endpoint is
``unverified`` until it has consented, and nothing is sent to it; this holds for endpoints that are made, moved
or resumed from then on.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Case, QuerySet, Value, When
from django.utils import timezone

from subscriptions.errors import NotNow
from subscriptions.models import Endpoint
from webhooks.outgoing import guarded_call
from webhooks.wire.addresses.guard import ForbiddenAddress
from webhooks.wire.cloudevents import handshake

__all__ = ["Said", "UnknownKey", "ask", "called_back", "grant", "is_required", "reset", "sent_origin"]

VALID = timedelta(days=7)  # for so long a target may call back
ASKING = 10.0  # seconds for the OPTIONS request
PATH = "consents"  # below /api/v1/

UNVERIFIED, ASKED, GRANTED = Endpoint.Consent.UNVERIFIED, Endpoint.Consent.ASKED, Endpoint.Consent.GRANTED

_IF_NOT_GRANTED = Case(When(consent=GRANTED, then=Value(GRANTED)), default=Value(ASKED))


class UnknownKey(Exception):
    """Nobody has been told this key, or it is too long ago."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of asking. ``problem`` is for the developer of the target."""

    consent: str
    allowed_rate: int | None = None
    problem: str = ""


def is_required() -> bool:
    """Whether nothing is sent before consent."""
    return bool(settings.WAYPOST_CONSENT == "required")


def origin() -> str:
    """The DNS name by which targets know us."""
    return urlsplit(settings.PUBLIC_URL).hostname or ""


def sent_origin(endpoint: Endpoint) -> tuple[str, ...]:
    """The header that every delivery carries once a consent was given (section 4.1.1)."""
    return (f"webhook-request-origin: {origin()}",) if endpoint.consent == GRANTED else ()


def ask(endpoint: Endpoint, rate: int | None = None) -> Said:
    """Ask the target now, for ``rate`` requests per minute if given. Up to ASKING seconds, outside any transaction.

    Raises NotNow if the endpoint was changed or deleted meanwhile, or we have no name to ask under.
    """
    key = secrets.token_urlsafe(32) if settings.PUBLIC_URL.startswith("https://") else None
    callback = f"{settings.PUBLIC_URL}/api/v1/{PATH}/{key}/" if key else None
    try:
        headers = handshake.request_headers(origin(), rate=rate, callback=callback)
    except ValueError:
        raise NotNow("consent", "PUBLIC_URL is no DNS name that a target could grant anything to.") from None
    if key:  # before it is asked: it may call back at once
        _write(endpoint, consent=_IF_NOT_GRANTED, consent_key=_digest(key), consent_asked_at=timezone.now())
    try:
        answer = guarded_call.call("OPTIONS", endpoint.url, headers=headers, timeout=ASKING)
    except ForbiddenAddress as refusal:
        return Said(ASKED if key else UNVERIFIED, problem=str(refusal))
    except guarded_call.CallFailed as error:
        return Said(ASKED if key else UNVERIFIED, problem=str(type(error).__doc__))
    found = handshake.read_response(answer.headers, origin=origin(), requested_rate=rate)
    if not found.allowed:
        return Said(ASKED if key else UNVERIFIED, problem=found.problem)
    grant(endpoint, found.rate)
    return Said(GRANTED, found.rate)


def called_back(key: str, headers: Any) -> Said:
    """The target calls the address it was told (section 4.1.3). Raises UnknownKey."""
    oldest = timezone.now() - VALID
    rows = Endpoint.objects.filter(consent_key=_digest(key), consent_asked_at__gt=oldest, deleted_at=None)
    endpoint = rows.first()
    if endpoint is None:
        raise UnknownKey
    found = handshake.read_callback(headers)
    if not found.allowed:
        return Said(ASKED, problem=found.problem)
    grant(endpoint, found.rate)
    return Said(GRANTED, found.rate)


def grant(endpoint: Endpoint, rate: int | None = None) -> None:
    """It has consented, at this rate per minute (None: any). Raises NotNow if it is not what was asked any more."""
    now = timezone.now()
    _write(
        endpoint,
        consent=GRANTED,
        consented_at=now,
        allowed_rate=rate,
        consent_key=None,
        state=Case(When(state=Endpoint.State.UNVERIFIED, then=Value(Endpoint.State.ACTIVE)), default="state"),
        state_changed_at=Case(When(state=Endpoint.State.UNVERIFIED, then=Value(now)), default="state_changed_at"),
    )


def reset(row: Endpoint) -> None:
    """A new address has consented to nothing. Changes the row in memory."""
    row.consent, row.consented_at, row.allowed_rate, row.consent_key = UNVERIFIED, None, None, None
    if is_required() and row.state == Endpoint.State.ACTIVE:
        row.state, row.state_changed_at = Endpoint.State.UNVERIFIED, timezone.now()


def _write(endpoint: Endpoint, **changes: Any) -> None:
    same: QuerySet[Endpoint] = Endpoint.objects.filter(pk=endpoint.pk, url=endpoint.url, deleted_at=None)
    if not same.update(**changes):
        raise NotNow("url", "The endpoint was changed meanwhile: ask again.")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
