"""Say whether a request is signed by an endpoint of the tenant that sends to the inspector."""

import time
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from subscriptions.inspectors.inspectors import url_of
from subscriptions.models import Endpoint, Inspector, SigningSecret
from webhooks.kit.encryption import CannotDecrypt, decrypt
from webhooks.wire.signing import SignatureError, verify

MAX_ENDPOINTS = 20  # at one inspector whose secrets are tried
NO_ENDPOINT = "No endpoint of the tenant has this inspector's URL."


class Verification(NamedTuple):
    """Hold whether a request is signed (None: there is no endpoint to compare with), why, and by which endpoint."""

    is_verified: bool | None
    reason: str
    endpoint_id: UUID | None = None


def endpoints_at(inspector: Inspector) -> list[Endpoint]:
    """Return the endpoints of the tenant whose URL is the inspector's, newest first."""
    url = url_of(inspector)
    rows = Endpoint.objects.filter(Q(http__url=url) | Q(http__url=url.rstrip("/")))
    rows = rows.filter(tenant=inspector.tenant_id, deleted_at=None)
    return list(rows.select_related("http").order_by("-pk")[:MAX_ENDPOINTS])


def credential_headers(endpoints: list[Endpoint]) -> set[str]:
    """Return the names of the endpoints' own headers, whose values only keys with the scope ``manage`` may see."""
    names = [name for it in endpoints for name in [*it.http.headers, str(it.http.auth.get("name", ""))]]
    return {name.lower() for name in names}


def verification_of(endpoints: list[Endpoint], headers: Mapping[str, str], body: bytes) -> Verification:
    """Verify a request with the secrets of each of these endpoints, those that sign now."""
    if not endpoints:
        return Verification(None, NO_ENDPOINT)
    reason = ""
    for endpoint in endpoints:
        try:
            verify(_secrets_of(endpoint), headers, body, now=time.time())
        except (SignatureError, CannotDecrypt) as error:
            reason = reason or _reason(error)
        else:
            return Verification(True, f"Signed with a secret of {endpoint.public_id}.", endpoint.pk)
    return Verification(False, reason)


def _secrets_of(endpoint: Endpoint) -> list[str]:
    now = timezone.now()
    rows = SigningSecret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), endpoint=endpoint)
    return [decrypt(row.ciphertext) for row in rows]


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SignatureError) else "The signing secret cannot be decrypted."
