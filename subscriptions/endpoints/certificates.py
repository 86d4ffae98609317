"""A client certificate is taken whole and usable, or not at all: the key fits, nothing has expired, nothing is locked.

What an endpoint may have for its TLS connections, as PEM: a certificate (the chain above it may follow) with its
private key, by which it knows us, and certificate authorities of its own instead of the public ones. Both are for
that endpoint's connections alone; neither switches any check off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from subscriptions.errors import Invalid

__all__ = ["TlsFiles", "check_tls", "public_tls", "tls_files"]

MEMBERS = {"certificate", "private_key", "ca"}
MAX_PEM = 32 * 1024  # characters of each
MAX_CERTIFICATES = 10  # in a chain, or of authorities
MIN_RSA = 2048  # bits


@dataclass(frozen=True, slots=True, repr=False)
class TlsFiles:
    """What the TLS connections to one endpoint are made with, as PEM."""

    certificate: bytes | None
    private_key: bytes | None
    ca: bytes | None


def check_tls(tls: Any, *, now: datetime | None = None) -> None:
    """Raise Refused naming `tls` unless it is an object of `certificate` with `private_key`, `ca`, or all three,
    that will be taken by a TLS library now."""
    if not isinstance(tls, Mapping) or not tls or not set(tls) <= MEMBERS:
        raise _refused("Give an object of certificate and private_key, of ca, or of all three.")
    for name, text in tls.items():
        if not isinstance(text, str) or not text.isascii() or not 0 < len(text) <= MAX_PEM:
            raise _refused(f"{name}: give PEM text of at most {MAX_PEM} characters.")
    if ("certificate" in tls) != ("private_key" in tls):
        raise _refused("A certificate and its private_key go together.")
    now = now or datetime.now(UTC)
    if "certificate" in tls:
        chain = _certificates("certificate", tls["certificate"], now)
        if _public(chain[0]) != _public(_private_key(tls["private_key"])):
            raise _refused("private_key: belongs to another certificate.")
    if "ca" in tls:
        _certificates("ca", tls["ca"], now)


def public_tls(tls: Mapping[str, str]) -> dict[str, Any]:
    """What may be seen of it: whose the certificates are, and until when they are good."""
    return {
        name: [_said(it) for it in x509.load_pem_x509_certificates(tls[name].encode())]
        for name in ("certificate", "ca")
        if name in tls
    }


def tls_files(tls: Mapping[str, str]) -> TlsFiles | None:
    """The same as a TLS library wants it; None if there is nothing of its own."""
    if not tls:
        return None
    files = {name: tls[name].encode() if name in tls else None for name in MEMBERS}
    return TlsFiles(**files)


def _certificates(name: str, text: str, now: datetime) -> Sequence[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        keys = [it.public_key() for it in found]
    except ValueError:
        raise _refused(f"{name}: is not one or more certificates as PEM.") from None
    except Exception:  # an algorithm that the library does not know has exceptions of its own
        raise _refused(f"{name}: is signed in a way that is not supported.") from None
    if len(found) > MAX_CERTIFICATES or len(keys) != len(found):
        raise _refused(f"{name}: holds more than {MAX_CERTIFICATES} certificates.")
    for it in found:
        if not it.not_valid_before_utc <= now <= it.not_valid_after_utc:
            raise _refused(f"{name}: a certificate is good from {_day(it.not_valid_before_utc)} to {_until(it)} only.")
    return found


def _private_key(text: str) -> PrivateKeyTypes:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise _refused("private_key: is encrypted; give it without a passphrase.") from None
    except Exception:  # malformed, or of an algorithm that is not supported: the library has many words for it
        raise _refused("private_key: is not a private key as PEM.") from None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise _refused("private_key: give an RSA, ECDSA or ed25519 key.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA:
        raise _refused(f"private_key: an RSA key has at least {MIN_RSA} bits.")
    return key


def _public(it: x509.Certificate | PrivateKeyTypes) -> bytes:
    return it.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _said(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "not_after": certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        "sha256": certificate.fingerprint(SHA256()).hex(),
    }


def _until(certificate: x509.Certificate) -> str:
    return _day(certificate.not_valid_after_utc)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _refused(message: str) -> Invalid:
    return Invalid("tls", message)
