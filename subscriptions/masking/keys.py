"""Derive the masking keys of a tenant from its secret: HMAC-SHA256 of the secret over the purpose of the key.

    hashing        one per tenant: a value has the same hash in every event and for every endpoint
    encrypting     one for the tenant's own event types, one for the platform's, one for each endpoint
    digests        one per tenant: of the content of masked events, which an unkeyed digest would let a reader guess

A tenant gets its secret when it is first needed. A process remembers it only once it is committed.

A key that encrypts can be rotated: the purpose of the next one has its number (``ep_....2``), which is its key id, too.
So older ones can always be derived, to read what they have encrypted. Processes notice a rotation within a second.
"""

import hmac
import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint, MaskingSecret, Tenant
from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.wire.ids import public
from webhooks.wire.masking import MaskingKeys
from webhooks.wire.masking.values import hashed

SECRET_BYTES = 32
MAX_CACHED = 10_000  # secrets in the memory of a process
MAX_ROTATIONS = 50  # of one key
TOO_MANY = f"This key was rotated {MAX_ROTATIONS} times, which is the most."

_secrets = BoundedCache[bytes](MAX_CACHED)


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """Hold the key that decrypts values; ``key`` is base64url, and ``key_id`` the ``kid`` in their headers.

    ``created_at``: when a rotation has created it; None: it is the first one.
    """

    key_id: str
    key: str
    is_current: bool
    created_at: datetime | None


def tenant_key_name(tenant_id: UUID, *, of_platform: bool) -> str:
    """Return the name of the key that encrypts for the platform's event types, or for the tenant's own."""
    name = public(Tenant.prefix, tenant_id)
    return f"platform_{name}" if of_platform else name


def endpoint_key_name(endpoint_id: UUID) -> str:
    """Return the name of the key that encrypts for the masks of an endpoint."""
    return public(Endpoint.prefix, endpoint_id)


def tenant_keys(tenant_id: UUID, *, of_platform: bool) -> MaskingKeys:
    """Return the current keys for masks of event types: those of the platform's types, or of the tenant's own."""
    return _current(tenant_id, tenant_key_name(tenant_id, of_platform=of_platform))


def endpoint_keys(tenant_id: UUID, endpoint_id: UUID) -> MaskingKeys:
    """Return the current keys for the masks of an endpoint."""
    return _current(tenant_id, endpoint_key_name(endpoint_id))


def decryption_keys(tenant_id: UUID, name: str) -> list[DecryptionKey]:
    """Return the keys of this name that there have been, the current one first."""
    secret, rotations = _secret(tenant_id), _load_rotations(tenant_id).get(name, [])
    return [_shown(secret, name, number, rotations) for number in range(len(rotations), -1, -1)]


def rotate_key(tenant_id: UUID, name: str) -> DecryptionKey:
    """Have values encrypted by another key from now on, and return it. Raises StateConflict after MAX_ROTATIONS."""
    secret = _secret(tenant_id)
    with transaction.atomic():
        row = MaskingSecret.objects.select_for_update().get(tenant=tenant_id)
        rotations = [*row.rotations.get(name, []), timezone.now().isoformat()]
        if len(rotations) > MAX_ROTATIONS:
            raise StateConflict("rotations", TOO_MANY)
        row.rotations = {**row.rotations, name: rotations}
        row.save(update_fields=["rotations"])
        transaction.on_commit(lambda: _rotations.discard(tenant_id))
    return _shown(secret, name, len(rotations), rotations)


def hash_of(tenant_id: UUID, text: str) -> str:
    """Return what the mask ``hash`` writes in the place of a text."""
    return hashed(text, _derived(_secret(tenant_id), "hash"))


def keyed_digest(tenant_id: UUID, digest: bytes) -> bytes:
    """Return the digest of a masked event from that of its content."""
    return _derived(_secret(tenant_id), f"digest:{digest.hex()}")


def known_keyed_digest(tenant_id: UUID, digest: bytes) -> bytes | None:
    """Return the same; None if the tenant has no secret, and so no masked event."""
    secret = _secrets.get(tenant_id) or _stored(tenant_id)
    return None if secret is None else _derived(secret, f"digest:{digest.hex()}")


def _current(tenant_id: UUID, name: str) -> MaskingKeys:
    secret = _secret(tenant_id)
    key_id = _key_id(name, len(_rotations.get(tenant_id).get(name, ())))
    return MaskingKeys(_derived(secret, "hash"), _encrypting(secret, key_id), key_id)


def _shown(secret: bytes, name: str, number: int, rotations: Sequence[str]) -> DecryptionKey:
    """Return the key with a number, as it is shown."""
    key_id = _key_id(name, number)
    created_at = datetime.fromisoformat(rotations[number - 1]) if number else None
    text = urlsafe_b64encode(_encrypting(secret, key_id)).rstrip(b"=").decode()
    return DecryptionKey(key_id, text, number == len(rotations), created_at)


def _key_id(name: str, rotations: int) -> str:
    return f"{name}.{rotations + 1}" if rotations else name


def _encrypting(secret: bytes, key_id: str) -> bytes:
    return _derived(secret, f"encrypt:{key_id}")


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, purpose.encode(), sha256)


def _secret(tenant_id: UUID) -> bytes:
    """Return the secret of a tenant, which is created if it has none. Raises CannotDecrypt."""
    secret = _secrets.get(tenant_id)
    if secret is not None:
        return secret
    secret = _stored(tenant_id)
    if secret is None:
        row = MaskingSecret(tenant_id=tenant_id, ciphertext=encrypt(os.urandom(SECRET_BYTES).hex()))
        MaskingSecret.objects.bulk_create([row], ignore_conflicts=True)
        secret = _stored(tenant_id)
        if secret is None:
            raise Tenant.DoesNotExist
    transaction.on_commit(lambda: _secrets.put(tenant_id, secret))
    return secret


def _stored(tenant_id: UUID) -> bytes | None:
    row = MaskingSecret.objects.filter(tenant=tenant_id).first()
    return None if row is None else bytes.fromhex(decrypt(row.ciphertext))


def _load_rotations(tenant_id: UUID) -> dict[str, list[str]]:
    """Return the times of the rotations of each key of a tenant, by its name."""
    return MaskingSecret.objects.filter(tenant=tenant_id).values_list("rotations", flat=True).first() or {}


_rotations = TimedCache[UUID, dict[str, list[str]]](_load_rotations, max_age=1.0)
