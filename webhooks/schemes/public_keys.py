"""Read the public keys of senders and verify signatures with them: Ed25519, ECDSA, RSA (PKCS #1 v1.5 and PSS).

A key verifies only the algorithm that the source is configured with, and only if it is of its type; so a message cannot
choose how it is verified. Keys come as the sender gives them: PEM (a key or a certificate), a JWK or a JWK set, the DER
in base64, or the 32 bytes of an Ed25519 key in hex or base64.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from webhooks.schemes import json_web_key
from webhooks.wire.errors import BadSecret, KeysUnavailable
from webhooks.wire.signing.hmac_signatures import keys_from_text

MIN_RSA_BITS = 1024  # some senders still sign with 1024 bits; a shorter key can be factored
_RAW_HEX = re.compile(r"[0-9a-fA-F]{64}")
_ERRORS = (
    *(ValueError, TypeError, KeyError, AttributeError, RecursionError),
    *(UnsupportedAlgorithm, x509.InvalidVersion, BadSecret),
)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A signature algorithm: the type of its keys, its digest, and how a digest is verified."""

    kind: type[Any]
    digest: HashAlgorithm | None
    """None: the whole content is signed."""
    verify: Callable[[Any, bytes, bytes, Any], None]


def _ecdsa(key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes, used: HashAlgorithm) -> None:
    key.verify(signature, digest, ec.ECDSA(Prehashed(used)))


def _pkcs1(key: RSAPublicKey, signature: bytes, digest: bytes, used: HashAlgorithm) -> None:
    key.verify(signature, digest, padding.PKCS1v15(), Prehashed(used))


def _pss(key: RSAPublicKey, signature: bytes, digest: bytes, used: HashAlgorithm) -> None:
    key.verify(signature, digest, padding.PSS(padding.MGF1(used), padding.PSS.AUTO), Prehashed(used))


def _ed25519(key: Ed25519PublicKey, signature: bytes, content: bytes, _: None) -> None:
    key.verify(signature, content)


ALGORITHMS = {
    "ed25519": Algorithm(Ed25519PublicKey, None, _ed25519),
    "ecdsa-sha1": Algorithm(ec.EllipticCurvePublicKey, SHA1(), _ecdsa),  # noqa: S303 (eBay's)
    "ecdsa-sha256": Algorithm(ec.EllipticCurvePublicKey, SHA256(), _ecdsa),
    "ecdsa-sha384": Algorithm(ec.EllipticCurvePublicKey, SHA384(), _ecdsa),
    "rsa-sha1": Algorithm(RSAPublicKey, SHA1(), _pkcs1),  # noqa: S303 (theirs)
    "rsa-sha256": Algorithm(RSAPublicKey, SHA256(), _pkcs1),
    "rsa-sha512": Algorithm(RSAPublicKey, SHA512(), _pkcs1),
    "rsa-pss-sha256": Algorithm(RSAPublicKey, SHA256(), _pss),
    "rsa-pss-sha512": Algorithm(RSAPublicKey, SHA512(), _pss),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and its name, if it has one."""

    key: Any
    key_id: str | None = None

    def verifies(self, algorithm: Algorithm, signature: bytes, content: bytes) -> bool:
        """Return whether the owner of this key signed the content, which is a digest if the algorithm has one."""
        if not isinstance(self.key, algorithm.kind):
            return False
        try:
            algorithm.verify(self.key, signature, content, algorithm.digest)
        except (InvalidSignature, ValueError):
            return False
        return True


Keys = tuple[PublicKey, ...]


def read_secrets(secrets: Sequence[str], algorithm: Algorithm) -> list[Keys]:
    """Return the keys in each secret. Raises BadSecret if one has no key of the algorithm's type."""
    keys_from_text(secrets)
    found = [_read_secret(secret) for secret in secrets]
    if not all(any(isinstance(key.key, algorithm.kind) for key in keys) for keys in found):
        raise BadSecret("must be a public key of the algorithm: PEM, a JWK or JWK set, or base64 of the DER")
    return found


@lru_cache(maxsize=128)
def read_published(document: bytes) -> Keys:
    """Return the keys of a fetched document: a JWK set, PEM, or a list of named PEM keys. Raises KeysUnavailable."""
    try:
        if document.lstrip().startswith(b"-----BEGIN"):
            return (PublicKey(_from_pem(document)),)
        parsed = json.loads(document)
        if "public_keys" in parsed:  # GitHub
            return tuple(PublicKey(_from_pem(it["key"].encode()), it["key_identifier"]) for it in parsed["public_keys"])
    except _ERRORS as error:
        raise KeysUnavailable("the fetched document has no public keys") from error
    return tuple(PublicKey(key.public_key, key.kid) for key in json_web_key.read_published(document))


def raw_to_der(signature: bytes) -> bytes:
    """Return the DER of an ECDSA signature that is its two numbers side by side."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))


@lru_cache(maxsize=128)
def _read_secret(secret: str) -> Keys:
    text = secret.strip()
    try:
        if text.startswith("{"):
            return tuple(PublicKey(key.public_key, key.kid) for key in json_web_key.read_secrets([text])[0])
        if "-----BEGIN" in text:
            return (PublicKey(_from_pem(text.encode())),)
        return (PublicKey(_from_bytes(text)),)
    except _ERRORS as error:
        raise BadSecret("must be a public key: PEM, a JWK or JWK set, or base64 of the DER") from error


def _from_pem(text: bytes) -> Any:
    if b"BEGIN CERTIFICATE" in text:
        return _checked(x509.load_pem_x509_certificate(text).public_key())
    return _checked(load_pem_public_key(text))


def _from_bytes(text: str) -> Any:
    if _RAW_HEX.fullmatch(text):
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    raw = b64decode("".join(text.split()), validate=True)
    return Ed25519PublicKey.from_public_bytes(raw) if len(raw) == 32 else _checked(load_der_public_key(raw))


def _checked(key: Any) -> Any:
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise ValueError("short")
    return key
