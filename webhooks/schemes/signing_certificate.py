"""Verify RSA signatures with a certificate that the sender publishes at a URL.

The certificate is trusted because it was fetched from a known host over verified TLS. So each scheme must check the
host before it calls `fetch_rsa_key`: an attacker who could choose the host would serve a certificate of their own and
forge signatures (CVE-2023-33185).
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from webhooks.schemes.scheme import VerificationContext
from webhooks.wire import base64_text
from webhooks.wire.errors import KeysUnavailable, StaleTimestamp


def fetch_rsa_key(context: VerificationContext, url: str) -> RSAPublicKey:
    """Fetch the certificate at a URL and return its public key. The caller must have checked the URL's host.

    Of a certificate chain the first certificate is used. Raises KeysUnavailable if there is no certificate with an RSA
    key; StaleTimestamp if the certificate has expired or is not valid yet.
    """
    document = context.fetch(url)
    try:
        certificate = x509.load_pem_x509_certificates(document)[0]
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        key = certificate.public_key()
    except (ValueError, x509.InvalidVersion) as error:
        raise KeysUnavailable("the fetched document is not a certificate") from error
    if not isinstance(key, RSAPublicKey):
        raise KeysUnavailable("the fetched certificate has no RSA key")
    if not begins <= context.now <= ends:
        raise StaleTimestamp("the certificate is not valid now")
    return key


def read_signature(text: str) -> bytes | None:
    """Return the bytes of a signature in canonical base64, or None if the text is anything else."""
    return base64_text.decode_canonical(text) or None


def is_valid_signature(key: RSAPublicKey, signature: bytes, content: bytes, digest: HashAlgorithm) -> bool:
    """Return whether the signature (PKCS #1 v1.5) was made for this content by the owner of the key."""
    try:
        key.verify(signature, content, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
