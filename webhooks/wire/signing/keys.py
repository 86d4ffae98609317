"""Parse, generate and use the keys of Standard Webhooks, whose prefix says their kind.

    whsec_   HMAC-SHA256 secret, 24 to 64 random bytes        signs and verifies v1
    whsk_    ed25519 private key, seed and public key         signs v1a
    whpk_    ed25519 public key                               verifies v1a

Text without a prefix is a whsec_ secret, as in the reference libraries. Each kind verifies only its own signatures: a
public key used as an HMAC secret would let everyone sign.
"""

import hashlib
import hmac
import secrets as randomness
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from webhooks.wire import base64_text
from webhooks.wire.errors import BadSecret

SECRET_PREFIX = "whsec_"  # noqa: S105 (a prefix)
PRIVATE_KEY_PREFIX = "whsk_"
PUBLIC_KEY_PREFIX = "whpk_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # bytes of a secret, specification section "Signature scheme"

_NEW_SECRET_BYTES = 32
_BLOCK_BYTES, _INNER_PAD, _OUTER_PAD = 64, 0x36, 0x5C  # of HMAC-SHA256; a secret is no longer than a block
_KEY_BYTES = 32  # of an ed25519 key
_SIGNATURE_LENGTH = 88  # characters of an ed25519 signature in base64


@dataclass(frozen=True, slots=True, repr=False)
class SecretKey:
    """An HMAC-SHA256 secret.

    ``inner`` and ``outer`` are hashes that have read the two pads of the secret (RFC 2104, 2). To copy them takes a
    third of the time of copying ``keyed``, the same as an HMAC.
    """

    keyed: hmac.HMAC
    inner: Any
    outer: Any

    @classmethod
    def of(cls, secret: bytes) -> "SecretKey":
        """Return the key of these bytes, which are no more than a block of the hash."""
        padded = secret.ljust(_BLOCK_BYTES, b"\0")
        inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (_INNER_PAD, _OUTER_PAD))
        return cls(hmac.new(secret, digestmod="sha256"), inner, outer)

    def sign(self, content: bytes) -> str:
        """Return the v1 signature."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return "v1," + b64encode(outer.digest()).decode()


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """An ed25519 private key."""

    key: Ed25519PrivateKey

    def sign(self, content: bytes) -> str:
        """Return the v1a signature."""
        return "v1a," + b64encode(self.key.sign(content)).decode()

    def public(self) -> "PublicKey":
        """Return the public key."""
        return PublicKey(self.key.public_key())


@dataclass(frozen=True, slots=True, repr=False)
class PublicKey:
    """An ed25519 public key."""

    key: Ed25519PublicKey

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Return whether this is the signature of the content."""
        try:
            self.key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


Key = SecretKey | PrivateKey | PublicKey


def read_key(text: str) -> Key:
    """Parse a key. Raises BadSecret."""
    if text.startswith(PRIVATE_KEY_PREFIX):
        return _private_key(_decoded(text.removeprefix(PRIVATE_KEY_PREFIX)))
    if text.startswith(PUBLIC_KEY_PREFIX):
        return _public_key(_decoded(text.removeprefix(PUBLIC_KEY_PREFIX)))
    return SecretKey.of(_decoded(text.removeprefix(SECRET_PREFIX)))


def new_secret() -> str:
    """Generate a `whsec_` secret of 32 random bytes."""
    return SECRET_PREFIX + b64encode(randomness.token_bytes(_NEW_SECRET_BYTES)).decode()


def new_keypair() -> tuple[str, str]:
    """Generate an ed25519 pair: the private key as `whsk_` (seed and public key), the public key as `whpk_`."""
    private = Ed25519PrivateKey.generate()
    seed, public = private.private_bytes_raw(), private.public_key().public_bytes_raw()
    return PRIVATE_KEY_PREFIX + b64encode(seed + public).decode(), PUBLIC_KEY_PREFIX + b64encode(public).decode()


def public_key_of(private: str) -> str:
    """Return the `whpk_` public key of a `whsk_` private key. Raises BadSecret."""
    key = read_key(private)
    if not isinstance(key, PrivateKey):
        raise BadSecret("must be a private key")
    return PUBLIC_KEY_PREFIX + b64encode(key.public().key.public_bytes_raw()).decode()


def check_secret(text: str) -> None:
    """Check that an endpoint may sign with this: a `whsk_` key, or a `whsec_` secret of 24 to 64 bytes.

    Stricter than verification, which accepts the secrets of other senders. Raises BadSecret.
    """
    if text.startswith(PRIVATE_KEY_PREFIX):
        read_key(text)
    elif not text.startswith(SECRET_PREFIX):
        raise BadSecret(f"must begin with {SECRET_PREFIX} or {PRIVATE_KEY_PREFIX}")
    elif not MIN_SECRET_BYTES <= len(_decoded(text.removeprefix(SECRET_PREFIX))) <= MAX_SECRET_BYTES:
        raise BadSecret(f"must be {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes long")


def read_signature(text: str) -> bytes | None:
    """Decode an ed25519 signature from its canonical base64; None for any other text."""
    return base64_text.decode_canonical(text) if len(text) == _SIGNATURE_LENGTH else None


def _private_key(raw: bytes) -> PrivateKey:
    if len(raw) not in (_KEY_BYTES, 2 * _KEY_BYTES):
        raise BadSecret("a private key must have 32 or 64 bytes")
    key = Ed25519PrivateKey.from_private_bytes(raw[:_KEY_BYTES])
    if raw[_KEY_BYTES:] not in (b"", key.public_key().public_bytes_raw()):
        raise BadSecret("the public half must belong to the private half of the key")
    return PrivateKey(key)


def _public_key(raw: bytes) -> PublicKey:
    if len(raw) != _KEY_BYTES:
        raise BadSecret("a public key must have 32 bytes")
    return PublicKey(Ed25519PublicKey.from_public_bytes(raw))


def _decoded(text: str) -> bytes:
    """Decode base64, whose padding may be missing, as some senders leave it out."""
    if not text:
        raise BadSecret("must not be empty")
    try:
        return base64_text.decode(text if "=" in text else text + "=" * (-len(text) % 4))
    except ValueError:
        raise BadSecret("must be base64") from None
