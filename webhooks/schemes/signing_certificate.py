"""RSA signatures by a certificate that the provider publishes: fetch it from the provider's own host, or not at all.

The certificate is trusted because of where it was fetched from, over TLS that is checked; so whoever could name
another host could sign (CVE-2023-33185). Each scheme pins its host before it comes here.
"""

from base64 import b64encode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from webhooks.schemes.scheme import VerificationContext
from webhooks.wire import base64_text
from webhooks.wire.errors import KeysUnavailable, StaleTimestamp


def fetched_key(context: VerificationContext, url: str) -> RSAPublicKey:
    """The key in the first certificate at this URL, whose host is pinned already. Raises KeysOutOfReach,
    StaleTimestamp if the certificate is not valid now."""
    document = context.fetch(url)
    try:
        certificate = x509.load_pem_x509_certificates(document)[0]
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        key = certificate.public_key()
    except ValueError as error:
        raise KeysUnavailable("what was fetched is not a certificate") from error
    if not isinstance(key, RSAPublicKey):
        raise KeysUnavailable("what was fetched is not an RSA certificate")
    if not begins <= context.now <= ends:
        raise StaleTimestamp("the certificate is not valid now")
    return key


def read_signature(text: str) -> bytes | None:
    """The bytes of a signature in its one base64 spelling, or None."""
    try:
        signature = base64_text.decode(text)
    except ValueError:
        return None
    return signature if signature and b64encode(signature).decode() == text else None


def verifies(key: RSAPublicKey, signature: bytes, content: bytes, digest: HashAlgorithm) -> bool:
    try:
        key.verify(signature, content, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
