"""What an endpoint signs with, and what its receiver gets to know of it: the secret itself, or only a public key.

    v1      HMAC-SHA256: both ends hold the same ``whsec_`` secret, which is shown once
    v1a     ed25519: we hold the ``whsk_`` key and show it to nobody; the receiver verifies with the ``whpk_`` key

Standard Webhooks 1.0, section "Signature scheme". A public key is no secret: it may be read at any time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils import timezone

from subscriptions.errors import Invalid
from subscriptions.models import Endpoint, SigningSecret
from webhooks.wire.errors import SignatureError
from webhooks.wire.signing.jwk import jwk
from webhooks.wire.signing.standard_webhooks import check_secret, new_keypair, new_secret, public_key_of

__all__ = ["MAX_SECRET", "V1", "V1A", "NewSecret", "active_secrets", "new_signing_secret", "public_jwks"]

V1, V1A = "v1", "v1a"
MAX_SECRET = 256  # characters


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A new secret: ``text`` is what signs; ``public_key`` is empty for v1."""

    text: str = field(repr=False)
    public_key: str = ""

    @property
    def shown(self) -> str:
        """What its receiver needs: the secret of v1, the public key of v1a. The prefix tells which."""
        return self.public_key or self.text


def new_signing_secret(signing: str | None = None, secret: str | None = None) -> NewSecret:
    """A secret for this scheme, ours unless one is given; without a scheme the given secret decides, else it is v1.

    Raises Refused for a scheme that is none, or a secret that may not be used or belongs to the other scheme.
    """
    if signing not in (None, V1, V1A):
        raise Invalid("signing", f"Give {V1} or {V1A}.")
    if secret is None:
        return NewSecret(*new_keypair()) if signing == V1A else NewSecret(new_secret())
    issued = _given(secret)
    if signing is not None and (signing == V1A) != bool(issued.public_key):
        raise Invalid("secret", f"This secret cannot sign {signing}: whsec_ ones sign {V1}, whsk_ ones {V1A}.")
    return issued


def active_secrets(endpoint: Endpoint) -> QuerySet[SigningSecret]:
    """The secrets that sign at this moment, newest first."""
    return endpoint.secrets.exclude(expires_at__lte=timezone.now()).order_by("-created_at")


def public_jwks(secrets: Iterable[SigningSecret]) -> list[dict[str, str]]:
    """The public keys among these as JSON Web Keys (RFC 8037), each with its ``whpk_`` text as ``public_key``."""
    return [{**jwk(secret.public_key), "public_key": secret.public_key} for secret in secrets if secret.public_key]


def _given(secret: str) -> NewSecret:
    if len(secret) > MAX_SECRET:
        raise Invalid("secret", f"Longer than {MAX_SECRET} characters.")
    try:
        check_secret(secret)
        return NewSecret(secret, public_key_of(secret) if secret.startswith("whsk_") else "")
    except SignatureError as error:
        raise Invalid("secret", str(error)) from None
