import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from tests.webhooks.schemes.authority import CURVE, OTHER_KEY, CertificateHost, certificate, signature
from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.wire.errors import KeysUnavailable, MalformedHeader, NoMatchingSignature, StaleTimestamp

URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"


class TestPayPal(SchemeBattery):
    scheme = "paypal"
    secret, other = "4JH86294D6297924G", "1JE4291016473214C"
    signs_time = True
    can_sign = False
    signature_headers = (
        *("PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-TIME", "PAYPAL-TRANSMISSION-SIG"),
        *("PAYPAL-CERT-URL", "PAYPAL-AUTH-ALGO"),
    )

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        time = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        content = f"69cd13f0-d67a|{time}|{secret}|{zlib.crc32(body)}".encode()
        values = ("69cd13f0-d67a", time, signature(content, SHA256()), URL, "SHA256withRSA")
        headers = dict(zip(self.signature_headers, values, strict=True))
        return Message(headers, body, fetch=CertificateHost({URL: certificate()}))

    @pytest.mark.parametrize(
        "url",
        [
            "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
            "https://evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
            "http://api.paypal.com/v1/notifications/certs/CERT-1",
            "https://www.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/redirect?to=https://evil.example/",
            "https://api.paypal.com/v1/notifications/certs/../../../redirect",
            "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
            "https://api.paypal.com/v1/notifications/certs/CERT-1\n",
            "//api.paypal.com/v1/notifications/certs/CERT-1",
        ],
    )
    def test_verify_does_not_fetch_a_certificate_from_another_host(self, url: str) -> None:
        published = CertificateHost({url: certificate()})
        message = self.signed(self.secret).with_header("PAYPAL-CERT-URL", url)
        with pytest.raises(MalformedHeader):
            self.verify(replace(message, fetch=published), self.secret)
        assert published.fetched == []

    def test_verify_accepts_the_hosts_of_the_sandbox(self) -> None:
        for host in ("api.sandbox.paypal.com", "api-m.paypal.com", "api-m.sandbox.paypal.com"):
            url = URL.replace("api.paypal.com", host)
            message = self.signed(self.secret).with_header("PAYPAL-CERT-URL", url)
            self.verify(replace(message, fetch=CertificateHost({url: certificate()})), self.secret)

    @pytest.mark.parametrize("document", [b"", b"x", certificate(CURVE)])
    def test_verify_raises_keys_unavailable_for_an_invalid_certificate(self, document: bytes) -> None:
        with pytest.raises(KeysUnavailable):
            self.verify(replace(self.signed(self.secret), fetch=CertificateHost({URL: document})), self.secret)

    def test_verify_rejects_another_or_expired_certificate(self) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(
                replace(self.signed(self.secret), fetch=CertificateHost({URL: certificate(OTHER_KEY)})), self.secret
            )
        expired = CertificateHost({URL: certificate(days=-1)})
        with pytest.raises(StaleTimestamp):
            self.verify(replace(self.signed(self.secret), fetch=expired), self.secret)

    def test_verify_rejects_a_weaker_digest(self) -> None:
        message = self.signed(self.secret)
        content = f"69cd13f0-d67a|{message.headers['PAYPAL-TRANSMISSION-TIME']}|{self.secret}|{zlib.crc32(BODY)}"
        weaker = message.with_header("PAYPAL-TRANSMISSION-SIG", signature(content.encode(), SHA1()))
        self.rejects(weaker)
        self.rejects(weaker.with_header("PAYPAL-AUTH-ALGO", "SHA1withRSA"))

    @pytest.mark.parametrize("time", ["1614265330", "2021-02-25", "2021-02-25T15:02:10", "2021-13-25T15:02:10Z", "x"])
    def test_verify_rejects_an_invalid_time(self, time: str) -> None:
        with pytest.raises(MalformedHeader):
            self.verify(self.signed(self.secret).with_header("PAYPAL-TRANSMISSION-TIME", time), self.secret)
