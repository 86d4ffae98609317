"""Issue certificates for tests from an authority of their own, as PEM."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key."""

    pem: str
    key: str


class Authority:
    """Issue certificates that a client with the trust anchor ``pem`` accepts."""

    def __init__(self, name: str = "an authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = _built(self._name, self._name, self._key, self._key, constraint)
        self.pem = _pem(self._certificate)

    def issue(self, name: str = "waypost", *, address: str = "127.0.0.1", **dates: datetime) -> Issued:
        """Issue a certificate for this common name, localhost and an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        ip = x509.IPAddress(ipaddress.ip_address(address))
        extension = x509.SubjectAlternativeName([x509.DNSName("localhost"), ip])
        return Issued(_pem(_built(_named(name), self._name, key, self._key, extension, **dates)), key_pem(key))

    def server(self, folder: Path, *, client_authority: "Authority | None" = None) -> ssl.SSLContext:
        """Return a server's TLS context that optionally requires a client certificate of another authority."""
        issued = self.issue("localhost")
        (folder / "server.pem").write_text(issued.key + issued.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=client_authority.pem)
        return context


def key_pem(key: Any, password: bytes | None = None) -> str:
    """Return a private key as PEM, encrypted if there is a password."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return str(pem.decode())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _built(subject: x509.Name, issuer: x509.Name, key: Any, signer: Any, extension: Any, **dates: datetime) -> Any:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(dates.get("since", now - timedelta(hours=1)))
        .not_valid_after(dates.get("until", now + timedelta(days=1)))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(signer, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
