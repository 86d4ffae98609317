import hmac
from base64 import b64encode

import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.schemes.twitter import crc_response
from webhooks.wire.errors import NoMatchingSignature


def digest(secret: str, content: bytes) -> str:
    return "sha256=" + b64encode(hmac.digest(secret.encode(), content, "sha256")).decode()


class TestTwitter(SchemeBattery):
    scheme = "twitter"
    proof = ("x-twitter-webhooks-signature",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"x-twitter-webhooks-signature": digest(secret, body)}, body)

    def test_a_challenge_is_answered_with_its_signature(self) -> None:
        assert crc_response(self.secret, "MGYxYmY0-_+/==") == digest(self.secret, b"MGYxYmY0-_+/==")

    @pytest.mark.parametrize("token", ["", "a b", "{}", "[1]", "a" * 257, "a===", "=", "é", "a\n", "\ud800", '"a"'])
    def test_what_could_be_a_message_is_not_signed(self, token: str) -> None:
        assert crc_response(self.secret, token) is None

    @pytest.mark.parametrize("body", [b"12345", b"true", b"a" * 256 + b"==", b"MGYxYmY0="])
    def test_whatever_we_sign_for_anybody_is_no_message(self, body: bytes) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.signed(self.secret, body), self.secret)
        assert crc_response(self.secret, body.decode()) == self.signed(self.secret, body).headers[self.proof[0]]

    @pytest.mark.parametrize("body", [b"a" * 257, b"a" * 256 + b"===", b"\xff", b"1.5"])
    def test_other_bodies_are_messages_however_they_look(self, body: bytes) -> None:
        self.verify(self.signed(self.secret, body), self.secret)
