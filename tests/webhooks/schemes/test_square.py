import hmac
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from square.utils.webhooks_helper import verify_signature

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.wire.errors import MissingUrl

URL = "https://example.com/in/square"


class TestSquare(SchemeBattery):
    scheme = "square"
    signature_headers = ("x-square-hmacsha256-signature",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = b64encode(hmac.digest(secret.encode(), URL.encode() + body, "sha256")).decode()
        return Message({"x-square-hmacsha256-signature": signature}, body, URL)

    def test_verify_handles_an_empty_body_like_the_provider(self) -> None:
        """Reject an empty body, as Square's library does."""
        self.rejects(self.signed(self.secret, b""))

    @given(st.text(st.characters(codec="utf-8"), min_size=1))
    def test_sign_is_verified_by_the_sdk(self, text: str) -> None:
        message = self.signed(self.secret, text.encode())
        self.verify(message, self.secret)
        for body in (text, text + " "):
            accepted = verify_signature(
                request_body=body,
                signature_header=message.headers["x-square-hmacsha256-signature"],
                signature_key=self.secret,
                notification_url=URL,
            )
            assert accepted == (body == text)

    def test_verify_accepts_what_the_sdk_accepts(self) -> None:
        body = (
            b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":'
            b'"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":'
            b'{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
        )
        headers = {"X-Square-HmacSha256-Signature": "pGRqj9GSSbM6O/O9z98MeFVedq3Q2OTDEMGMq8wEM+s="}
        self.verify(Message(headers, body, "https://example.com/webhook"), "asdf1234")

    def test_verify_rejects_another_spelling_of_the_url(self) -> None:
        message = self.signed(self.secret)
        for url in (URL + "/", URL.upper(), URL.replace("https", "http"), URL + "?a=1", URL[:-1]):
            self.rejects(replace(message, url=url))
        with pytest.raises(MissingUrl):
            self.verify(replace(message, url=""), self.secret)
