"""Make certificates as a provider publishes them, and signatures with their keys."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.webhooks.schemes.battery import NOW
from webhooks.wire.errors import KeysUnavailable

KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())


def certificate(key: Any = KEY, *, days: int = 1) -> bytes:
    """Make a self-signed certificate in PEM that is valid for some days before and after NOW."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    made, span = datetime.fromtimestamp(NOW, UTC), timedelta(days=days)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(made - abs(span)).not_valid_after(made + span / 2)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def signature(content: bytes, digest: hashes.HashAlgorithm, key: rsa.RSAPrivateKey = KEY) -> str:
    return b64encode(key.sign(content, padding.PKCS1v15(), digest)).decode()


class CertificateHost:
    """A provider's host: the document at each URL, and the URLs that were fetched."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self.documents = documents
        self.fetched: list[str] = []

    def __call__(self, url: str, *, newer: bool = False) -> bytes:
        self.fetched.append(url)
        if url not in self.documents:
            raise KeysUnavailable
        return self.documents[url]
