import hmac
from base64 import b64encode

import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.wire.errors import NoMatchingSignature


def digest(secret: str, content: bytes) -> str:
    return "sha256=" + b64encode(hmac.digest(secret.encode(), content, "sha256")).decode()


class TestTwitter(SchemeBattery):
    scheme = "twitter"
    signature_headers = ("x-twitter-webhooks-signature",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"x-twitter-webhooks-signature": digest(secret, body)}, body)

    @pytest.mark.parametrize("body", [b"12345", b"true", b"a" * 256 + b"==", b"MGYxYmY0="])
    def test_verify_rejects_a_body_that_could_be_a_crc_token(self, body: bytes) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.signed(self.secret, body), self.secret)

    @pytest.mark.parametrize("body", [b"a" * 257, b"a" * 256 + b"===", b"\xff", b"1.5"])
    def test_verify_accepts_bodies_that_are_no_crc_tokens(self, body: bytes) -> None:
        self.verify(self.signed(self.secret, body), self.secret)
