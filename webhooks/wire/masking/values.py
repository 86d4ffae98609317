"""Write a value as a keyed hash, or encrypted.

A hash is ``hmac-sha256:`` and the HMAC-SHA256 of the value's JSON, in base64url: equal values have equal hashes, and
without the key no value can be tried. An encrypted value is a JSON Web Encryption (RFC 7516) in the compact form, with
``dir`` and ``A256GCM`` (RFC 7518, sections 4.5 and 5.3); what is encrypted is the value's JSON. Its header names the
key by ``kid``.
"""

import hmac
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webhooks.wire.json_numbers import raw

HASH_PREFIX = "hmac-sha256:"
NONCE_BYTES, TAG_BYTES = 12, 16


@dataclass(frozen=True, slots=True)
class MaskingKeys:
    """Hold the key of hashes and the key of encrypted values, 32 bytes each; ``key_id`` names the latter."""

    hashing: bytes = field(repr=False)
    encrypting: bytes = field(repr=False)
    key_id: str


def hashed(value: Any, key: bytes) -> str:
    """Return the keyed hash of a JSON value; members of objects in any order."""
    text = orjson.dumps(value, default=raw, option=orjson.OPT_SORT_KEYS)
    return HASH_PREFIX + _base64url(hmac.digest(key, text, sha256))


def encrypted(value: Any, keys: MaskingKeys) -> str:
    """Return a JSON value encrypted; the same value has another ciphertext each time."""
    header = {"alg": "dir", "enc": "A256GCM", "kid": keys.key_id, "cty": "json"}
    protected = _base64url(orjson.dumps(header))
    nonce = os.urandom(NONCE_BYTES)
    encrypted_text = AESGCM(keys.encrypting).encrypt(nonce, orjson.dumps(value, default=raw), protected.encode())
    ciphertext, tag = encrypted_text[:-TAG_BYTES], encrypted_text[-TAG_BYTES:]
    return ".".join((protected, "", _base64url(nonce), _base64url(ciphertext), _base64url(tag)))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
