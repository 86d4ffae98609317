"""Create, rotate, end and list the secrets that sign the deliveries of an endpoint (Standard Webhooks 1.0).

    v1      HMAC-SHA256 with a ``whsec_`` secret, which the receiver verifies with too; shown once, when it is made
    v1a     ed25519 with a ``whsk_`` private key, which is never shown; the receiver verifies with the ``whpk_`` key

Public keys may be read at any time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from subscriptions.endpoints.state import existing
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint, SigningSecret
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.wire.errors import SignatureError
from webhooks.wire.signing.jwk import jwk
from webhooks.wire.signing.keys import check_secret, new_keypair, new_secret, public_key_of

V1, V1A = "v1", "v1a"
MAX_SECRET = 256  # characters
MAX_SECRETS = 10  # valid at the same time: each adds a signature to the header of every delivery
DEFAULT_OVERLAP = 86_400  # seconds
CURRENT = "This is the current secret; create another first, with overlap_seconds 0 to end this one at once."
MAX_OVERLAP = 30 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class NewSecret:
    """Hold a secret that is not stored yet: ``text`` signs; ``public_key`` is empty for v1."""

    text: str = field(repr=False)
    public_key: str = ""

    @property
    def verification_key(self) -> str:
        """Return what the receiver verifies with: the secret (v1) or the public key (v1a)."""
        return self.public_key or self.text


def new_signing_secret(signing: str | None = None, secret: str | None = None) -> NewSecret:
    """Return the given secret or a new one, for this scheme; by default the scheme of the secret, else v1.

    Raises Invalid for an unknown scheme, an unusable secret, or a secret of the other scheme.
    """
    if signing not in (None, V1, V1A):
        raise Invalid("signing", f"Must be {V1} or {V1A}.")
    if secret is None:
        return NewSecret(*new_keypair()) if signing == V1A else NewSecret(new_secret())
    new = _read(secret)
    if signing is not None and (signing == V1A) != bool(new.public_key):
        raise Invalid("secret", f"Must begin with {'whsk_' if signing == V1A else 'whsec_'} to sign {signing}.")
    return new


def store_secret(endpoint: Endpoint, secret: NewSecret) -> SigningSecret:
    """Store the secret, encrypted, as the current one of the endpoint."""
    stored = encrypt(secret.text)
    return SigningSecret.objects.create(endpoint=endpoint, ciphertext=stored, public_key=secret.public_key)


def rotate_secret(
    endpoint: Endpoint, overlap_seconds: int = DEFAULT_OVERLAP, secret: str | None = None, signing: str | None = None
) -> tuple[SigningSecret, str]:
    """Make the given secret, or a new one of the current scheme, current; return it and what receivers verify with.

    Older secrets go on signing for the overlap (0 to MAX_OVERLAP seconds; 0 ends them now), never longer than before.
    Raises Invalid for an overlap or secret that is not allowed, StateConflict if more than MAX_SECRETS would sign,
    Endpoint.DoesNotExist for a deleted endpoint.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP:
        raise Invalid("overlap_seconds", f"Must be from 0 to {MAX_OVERLAP} seconds.")
    with transaction.atomic():
        existing(endpoint).select_for_update().get()
        new = new_signing_secret(signing or (_current_scheme(endpoint) if secret is None else None), secret)
        now = timezone.now()
        ends_at = now + timedelta(seconds=overlap_seconds)
        endpoint.secrets.filter(expires_at__lte=now).delete()
        endpoint.secrets.update(expires_at=Least(F("expires_at"), ends_at))  # least() ignores NULL
        still_signing = list(endpoint.secrets.filter(expires_at__gt=now))
        if len(still_signing) >= MAX_SECRETS:
            raise StateConflict("overlap_seconds", f"{MAX_SECRETS} secrets sign already; give a shorter overlap.")
        if any(decrypt(old.ciphertext) == new.text for old in still_signing):
            raise Invalid("secret", "This secret is already in use.")
        stored = store_secret(endpoint, new)
    return stored, new.verification_key


def end_secret(secret: SigningSecret) -> None:
    """End a secret before its overlap is over, because it leaked: no attempt that starts from now on is signed with it.

    Idempotent. Raises StateConflict for the current secret, without which nothing could be signed: rotate it first.
    """
    with transaction.atomic():
        existing(secret.endpoint).select_for_update().first()
        if secret.endpoint.secrets.filter(pk=secret.pk, expires_at=None).exists():
            raise StateConflict("expires_at", CURRENT)
        secret.endpoint.secrets.filter(pk=secret.pk).delete()


def is_current_secret(endpoint: Endpoint, secret: str | None, signing: str | None) -> bool:
    """Return whether the current secret has this text and this scheme, of those that are given."""
    current = endpoint.secrets.filter(expires_at=None).first()
    return current is not None and secret in (None, decrypt(current.ciphertext)) and signing in (None, current.signing)


def active_secrets(endpoint: Endpoint) -> QuerySet[SigningSecret]:
    """Return the secrets that sign now, newest first."""
    return endpoint.secrets.exclude(expires_at__lte=timezone.now()).order_by("-created_at")


def public_jwks(secrets: Iterable[SigningSecret]) -> list[dict[str, str]]:
    """Return the public keys among these as JSON Web Keys (RFC 8037), with their ``whpk_`` text as ``public_key``."""
    return [{**jwk(secret.public_key), "public_key": secret.public_key} for secret in secrets if secret.public_key]


def _read(secret: str) -> NewSecret:
    if len(secret) > MAX_SECRET:
        raise Invalid("secret", f"Must be at most {MAX_SECRET} characters.")
    try:
        check_secret(secret)
        return NewSecret(secret, public_key_of(secret) if secret.startswith("whsk_") else "")
    except SignatureError as error:
        raise Invalid("secret", str(error)) from None


def _current_scheme(endpoint: Endpoint) -> str:
    return V1A if endpoint.secrets.filter(expires_at=None).exclude(public_key="").exists() else V1
