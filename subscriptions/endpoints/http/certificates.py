"""Check the ``tls`` of an endpoint: a client certificate, certificate authorities of its own, or both, as PEM.

The client certificate (with its chain and private key) authenticates Waypost to this endpoint; the authorities replace
the public ones for its connections. Everything must be usable when it is saved: the key matches the certificate,
nothing has expired, nothing needs a passphrase. No check of the connection is switched off.
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
from webhooks.wire.errors import unknown_member

MEMBERS = {"certificate", "private_key", "ca"}
MAX_PEM = 32 * 1024  # characters of each
MAX_CERTIFICATES = 10  # in a chain, and of authorities
MIN_RSA = 2048  # bits


@dataclass(frozen=True, slots=True, repr=False)
class TlsFiles:
    """Hold the PEM files for the TLS connections to one endpoint."""

    certificate: bytes | None
    private_key: bytes | None
    ca: bytes | None


def check_tls(tls: Any) -> None:
    """Raise Invalid for ``tls`` unless it has ``certificate`` with ``private_key``, ``ca``, or all, usable now."""
    if not isinstance(tls, Mapping) or not tls:
        raise _invalid("Must be an object of certificate and private_key, of ca, or of all three.")
    name, reason = unknown_member(tls, MEMBERS)
    if reason:
        raise _invalid(reason, name)
    for name, text in tls.items():
        if not isinstance(text, str) or not text.isascii() or not 0 < len(text) <= MAX_PEM:
            raise _invalid(f"{name}: must be PEM text of at most {MAX_PEM} characters.", name)
    if ("certificate" in tls) != ("private_key" in tls):
        raise _invalid("certificate and private_key must be given together.")
    now = datetime.now(UTC)
    if "certificate" in tls:
        chain = _certificates("certificate", tls["certificate"], now)
        if _public_bytes(chain[0]) != _public_bytes(_private_key(tls["private_key"])):
            raise _invalid("private_key: does not match the certificate.", "private_key")
    if "ca" in tls:
        _certificates("ca", tls["ca"], now)


def public_tls(tls: Mapping[str, str]) -> dict[str, Any]:
    """Return what may be shown: subject, expiry and fingerprint of each certificate."""
    return {
        name: [_shown(it) for it in x509.load_pem_x509_certificates(tls[name].encode())]
        for name in ("certificate", "ca")
        if name in tls
    }


def tls_files(tls: Mapping[str, str]) -> TlsFiles | None:
    """Return the files for a TLS library; None if the endpoint has none."""
    if not tls:
        return None
    files = {name: tls[name].encode() if name in tls else None for name in MEMBERS}
    return TlsFiles(**files)


def _certificates(name: str, text: str, now: datetime) -> Sequence[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        keys = [it.public_key() for it in found]
    except ValueError:
        raise _invalid(f"{name}: must be one or more certificates as PEM.", name) from None
    except Exception:  # the library has further exceptions for unknown algorithms
        raise _invalid(f"{name}: has an unsupported signature algorithm.", name) from None
    if len(found) > MAX_CERTIFICATES or len(keys) != len(found):
        raise _invalid(f"{name}: must have at most {MAX_CERTIFICATES} certificates.", name)
    for it in found:
        if not it.not_valid_before_utc <= now <= it.not_valid_after_utc:
            since, until = it.not_valid_before_utc, it.not_valid_after_utc
            raise _invalid(f"{name}: a certificate is only valid from {since:%Y-%m-%d} to {until:%Y-%m-%d}.", name)
    return found


def _private_key(text: str) -> PrivateKeyTypes:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise _invalid("private_key: is encrypted; give it without a passphrase.", "private_key") from None
    except Exception:  # the library has many exceptions for malformed keys and unsupported algorithms
        raise _invalid("private_key: must be a private key as PEM.", "private_key") from None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise _invalid("private_key: must be an RSA, ECDSA or ed25519 key.", "private_key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA:
        raise _invalid(f"private_key: must have at least {MIN_RSA} bits if it is an RSA key.", "private_key")
    return key


def _public_bytes(it: x509.Certificate | PrivateKeyTypes) -> bytes:
    return it.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _shown(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "not_after": certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        "sha256": certificate.fingerprint(SHA256()).hex(),
    }


def _invalid(message: str, member: str = "") -> Invalid:
    return Invalid("tls", message, f"/{member}" if member else "")
