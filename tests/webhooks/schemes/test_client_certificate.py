from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.wire.errors import (
    BadOptions,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
    StaleTimestamp,
    UntrustedProxy,
)

DAY = timedelta(days=1)


@lru_cache
def certificate(name: str) -> x509.Certificate:
    """Make a self-signed certificate; only the proxy checks the issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shop, Inc.")]
    )
    names = [x509.DNSName(f"{name}.example.com"), x509.UniformResourceIdentifier(f"spiffe://example.com/{name}")]
    made = datetime.fromtimestamp(NOW, UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(made - DAY).not_valid_after(made + DAY)
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())


def fingerprint(name: str) -> str:
    return certificate(name).fingerprint(hashes.SHA256()).hex()


def der(name: str) -> str:
    return f":{b64encode(certificate(name).public_bytes(Encoding.DER)).decode()}:"


class CertificateBattery(SchemeBattery):
    scheme = "mtls"
    signs_body = False
    can_sign = False
    secret, other = fingerprint("shop"), fingerprint("other")

    def name(self, secret: str) -> str:
        return "shop" if secret == self.secret else "other"

    def test_verify_rejects_a_time_outside_the_tolerance(self) -> None:
        """Replace the test of the tolerance: a certificate has its own period."""

    def test_verify_rejects_a_time_in_the_future(self) -> None:
        """Replace the test of the tolerance: a certificate has its own period."""

    def test_verify_rejects_an_untrusted_proxy(self) -> None:
        message = self.signed(self.secret)
        with pytest.raises(UntrustedProxy):
            schemes.verify("mtls", [self.secret], message.headers, BODY, now=NOW, options=message.options)


class TestClientCert(CertificateBattery):
    """Check the form rfc9440."""

    signature_headers = ("Client-Cert",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"Client-Cert": der(self.name(secret))}, body, proxied=True)

    @pytest.mark.parametrize(
        "secret",
        [
            fingerprint("shop").upper(),
            "sha256:" + fingerprint("shop"),
            ":".join(fingerprint("shop")[at : at + 2] for at in range(0, 64, 2)),
            "dns:shop.example.com",
            "uri:spiffe://example.com/shop",
            "O=Shop\\, Inc.,CN=shop",
        ],
    )
    def test_verify_accepts_every_name_of_the_certificate(self, secret: str) -> None:
        self.verify(self.signed(self.secret), secret)
        self.rejects(Message({"Client-Cert": der("other")}, proxied=True), secret)

    @pytest.mark.parametrize("secret", ["shop", "CN=shop", "shop.example.com", "spiffe://example.com/shop", "dns:"])
    def test_verify_rejects_a_part_of_a_name(self, secret: str) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.signed(self.secret), secret)

    def test_verify_rejects_a_certificate_that_is_not_valid_now(self) -> None:
        for days in (-0.9, 0.9):
            self.verify(self.signed(self.secret), self.secret, now=NOW + days * 86400)
        for days in (-1.1, 1.1):
            with pytest.raises(StaleTimestamp):
                self.verify(self.signed(self.secret), self.secret, now=NOW + days * 86400)

    @pytest.mark.parametrize("value", [":", "::", ":AAAA:", ":!:", "AAAA", der("shop") + ", " + der("shop"), "\ud800"])
    def test_verify_rejects_a_malformed_certificate(self, value: str) -> None:
        with pytest.raises(MalformedHeader):
            self.verify(Message({"Client-Cert": value}, proxied=True), self.secret)

    @pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
    def test_verify_rejects_a_certificate_with_one_byte_changed(self) -> None:
        """Among them are another version, an extension twice, and kinds of names that no library reads."""
        raw = certificate("shop").public_bytes(Encoding.DER)
        for at in range(len(raw)):
            for mask in (0x01, 0x20, 0xFF):
                changed = raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]
                self.rejects(Message({"Client-Cert": f":{b64encode(changed).decode()}:"}, proxied=True))


class TestPem(CertificateBattery):
    signature_headers = ("Ssl-Client-Cert",)
    options = {"header": "ssl-client-cert", "form": "pem", "verify_header": "ssl-client-verify"}

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        text = quote(certificate(self.name(secret)).public_bytes(Encoding.PEM).decode(), safe="")
        headers = {"Ssl-Client-Cert": text, "Ssl-Client-Verify": "SUCCESS"}
        return Message(headers, body, options=self.options, proxied=True)

    def test_verify_rejects_any_change_to_the_signature_headers(self) -> None:
        """Change only the certificate, because PEM around it has several spellings."""
        message = self.signed(self.secret)
        value = message.headers["Ssl-Client-Cert"]
        for at in (at for at in range(100, 300) if "%" not in value[at - 2 : at + 1]):
            other = "A" if value[at] != "A" else "B"
            self.rejects(message.with_header("Ssl-Client-Cert", value[:at] + other + value[at + 1 :]))
            self.rejects(message.with_header("Ssl-Client-Cert", value[:at]))

    def test_verify_rejects_longer_and_repeated_signature_headers(self) -> None:
        """Add a second certificate, because text around the first one in PEM is ignored."""
        value = self.signed(self.secret).headers["Ssl-Client-Cert"]
        self.rejects(self.signed(self.secret).with_header("Ssl-Client-Cert", value + value))

    @pytest.mark.parametrize("word", ["NONE", "FAILED:expired", "success", "SUCCESS, SUCCESS"])
    def test_verify_rejects_a_certificate_that_the_proxy_did_not_accept(self, word: str) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.signed(self.secret).with_header("Ssl-Client-Verify", word), self.secret)
        with pytest.raises(MissingHeader):
            self.verify(self.signed(self.secret).without("Ssl-Client-Verify"), self.secret)


class TestEnvoy(CertificateBattery):
    signature_headers = ("X-Forwarded-Client-Cert",)
    options = {"header": "x-forwarded-client-cert", "form": "xfcc"}

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"X-Forwarded-Client-Cert": f"Hash={secret}"}, body, options=self.options, proxied=True)

    @pytest.mark.parametrize("secret", [fingerprint("shop"), 'CN=shop,O=A "B"; Inc.', "dns:a.b", "uri:spiffe://a/b"])
    def test_verify_accepts_the_fields_of_the_element_as_names(self, secret: str) -> None:
        subject = '"CN=shop,O=A \\"B\\"; Inc."'
        value = f"By=spiffe://us;Hash={fingerprint('shop')};Subject={subject};URI=spiffe://a/b;DNS=a.b"
        self.verify(self.signed("").with_header("X-Forwarded-Client-Cert", value), secret)
        self.rejects(self.signed("").with_header("X-Forwarded-Client-Cert", value), "uri:spiffe://us")

    def test_verify_rejects_two_elements(self) -> None:
        for value in (f"Hash={self.other},Hash={self.secret}", f"Hash={self.secret};Hash={self.other}"):
            self.rejects(self.signed("").with_header("X-Forwarded-Client-Cert", value))


class TestSubject(CertificateBattery):
    secret, other = "CN=shop,O=Example", "CN=other,O=Example"
    signature_headers = ("X-Subject",)
    options = {"header": "X-Subject", "form": "subject"}

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"X-Subject": secret}, body, options=self.options, proxied=True)


@pytest.mark.parametrize("options", [{"header": ""}, {"form": "der"}, {"verify_header": "a b"}, {"subject": "x"}])
def test_invalid_options_are_rejected(options: dict[str, str]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("mtls", options)
