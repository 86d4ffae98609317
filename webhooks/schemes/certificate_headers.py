"""Parse the headers in which proxies pass on a client's certificate, and list the names in the certificate."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from webhooks.wire import base64_text

_FINGERPRINT = re.compile(r"(?:sha256:)?([0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2}){31})")
# Envoy's elements: name=value, separated by semicolons; values that contain a separator are quoted.
_FIELD = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)(?:;|$)')
_MAX_LENGTH = 32 * 1024  # characters
# Raised by x509 for what it does not parse, when a certificate is loaded or at the first use of a field.
_ERRORS = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class PresentedCertificate:
    """A client's certificate: all its names, and the Unix seconds between which it is valid."""

    names: tuple[str, ...]
    begins: float = -math.inf
    ends: float = math.inf


def canonical_name(name: str) -> str:
    """Return a name in its canonical spelling: fingerprints in lower case without colons, others unchanged."""
    fingerprint = _FINGERPRINT.fullmatch(name.strip())
    return "sha256:" + fingerprint[1].replace(":", "").lower() if fingerprint else name.strip()


def from_rfc9440(value: str) -> PresentedCertificate | None:
    """Parse `:base64 of the DER:` (RFC 9440 section 2.1, a byte sequence of RFC 8941)."""
    if len(value) < 2 or value[0] != ":" or value[-1] != ":":
        return None
    try:
        return _presented(x509.load_der_x509_certificate(base64_text.decode(value[1:-1])))
    except _ERRORS:
        return None


def from_pem(value: str) -> PresentedCertificate | None:
    """Parse PEM that is percent-encoded, because a header has one line."""
    if len(value) > _MAX_LENGTH:
        return None
    try:
        certificates = x509.load_pem_x509_certificates(unquote_to_bytes(value.encode("ascii")))
    except _ERRORS:
        return None
    return _presented(certificates[0]) if len(certificates) == 1 else None


def from_xfcc(value: str) -> PresentedCertificate | None:
    """Parse Envoy's `Hash=...;Subject="...";URI=...;DNS=...`; None for several certificates, which are ambiguous."""
    matches = list(_FIELD.finditer(value))
    if not matches or "".join(match[0] for match in matches) != value:
        return None
    fields = [(match[1].lower(), _unquoted(match[2])) for match in matches]
    if [name for name, _ in fields].count("hash") > 1:
        return None
    kinds = {"hash": "sha256:", "uri": "uri:", "dns": "dns:", "subject": ""}
    return PresentedCertificate(
        tuple(canonical_name(kinds[name] + text) for name, text in fields if name in kinds and text)
    )


def from_subject(value: str) -> PresentedCertificate | None:
    """Parse a header that has only the subject, as the proxy spells it."""
    return PresentedCertificate((value.strip(),)) if value.strip() else None


READERS: Mapping[str, Callable[[str], PresentedCertificate | None]] = {
    "rfc9440": from_rfc9440,
    "pem": from_pem,
    "xfcc": from_xfcc,
    "subject": from_subject,
}


def _presented(certificate: x509.Certificate) -> PresentedCertificate | None:
    fingerprint = "sha256:" + certificate.fingerprint(hashes.SHA256()).hex()
    try:
        names = (fingerprint, certificate.subject.rfc4514_string(), *_alternative_names(certificate))
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _ERRORS:
        return None
    return PresentedCertificate(tuple(name for name in names if name), begins.timestamp(), ends.timestamp())


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = extension.get_values_for_type(x509.DNSName)
    uris = extension.get_values_for_type(x509.UniformResourceIdentifier)
    return [*(f"dns:{host}" for host in hosts), *(f"uri:{uri}" for uri in uris)]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
