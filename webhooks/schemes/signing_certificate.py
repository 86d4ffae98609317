"""Verify RSA signatures with a certificate that the provider publishes.

The certificate is trusted because of the host it was fetched from over verified TLS. So each scheme must pin the host
before it calls `fetched_key`: a sender that could choose the host could sign (CVE-2023-33185).
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from webhooks.schemes.scheme import VerificationContext
from webhooks.wire import base64_text
from webhooks.wire.errors import KeysUnavailable, StaleTimestamp


def fetched_key(context: VerificationContext, url: str) -> RSAPublicKey:
    """Return the key of the first certificate at this URL, whose host the caller has pinned.

    Raises KeysUnavailable; StaleTimestamp if the certificate is not valid now.
    """
    document = context.fetch(url)
    try:
        certificate = x509.load_pem_x509_certificates(document)[0]
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        key = certificate.public_key()
    except ValueError as error:
        raise KeysUnavailable("the fetched document is not a certificate") from error
    if not isinstance(key, RSAPublicKey):
        raise KeysUnavailable("the fetched certificate has no RSA key")
    if not begins <= context.now <= ends:
        raise StaleTimestamp("the certificate is not valid now")
    return key


def read_signature(text: str) -> bytes | None:
    """Decode a signature from its canonical base64; None for any other text."""
    return base64_text.decode_canonical(text) or None


def verifies(key: RSAPublicKey, signature: bytes, content: bytes, digest: HashAlgorithm) -> bool:
    """Tell whether the key signed this content (PKCS #1 v1.5)."""
    try:
        key.verify(signature, content, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
