"""Derive the masking keys of a tenant from its secret: HMAC-SHA256 of the secret over the purpose of the key.

    hashing        one per tenant: a value has the same hash in every event and for every endpoint
    encrypting     one for the tenant's own event types, one for the platform's, one for each endpoint
    digests        one per tenant: of the content of masked events, which an unkeyed digest would let a reader guess

A tenant gets its secret when it is first needed. A process remembers it only once it is committed.
"""

import hmac
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from subscriptions.models import Endpoint, MaskingSecret, Tenant
from webhooks.kit.caches.lru_cache import LruCache
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.wire.ids import public
from webhooks.wire.masking import MaskingKeys
from webhooks.wire.masking.values import hashed

SECRET_BYTES = 32
MAX_CACHED = 10_000  # secrets in the memory of a process

_secrets = LruCache[bytes](MAX_CACHED)


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """Hold the key that decrypts values; ``key`` is base64url, and ``key_id`` the ``kid`` in their headers."""

    key_id: str
    key: str


def tenant_keys(tenant_id: UUID, *, of_platform: bool) -> MaskingKeys:
    """Return the keys for masks of event types: those of the platform's types, or of the tenant's own."""
    key_id = public(Tenant.prefix, tenant_id)
    return _keys(_secret(tenant_id), f"platform_{key_id}" if of_platform else key_id)


def endpoint_keys(tenant_id: UUID, endpoint_id: UUID) -> MaskingKeys:
    """Return the keys for the masks of an endpoint."""
    return _keys(_secret(tenant_id), public(Endpoint.prefix, endpoint_id))


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


def decryption_key(keys: MaskingKeys) -> DecryptionKey:
    """Return the key of encrypted values, as it is shown."""
    return DecryptionKey(keys.key_id, urlsafe_b64encode(keys.encrypting).rstrip(b"=").decode())


def _keys(secret: bytes, key_id: str) -> MaskingKeys:
    return MaskingKeys(_derived(secret, "hash"), _derived(secret, f"encrypt:{key_id}"), key_id)


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
