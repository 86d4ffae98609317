import hmac
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import Clock, SignatureVerifier

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery


class TestSlack(SchemeBattery):
    scheme = "slack"
    signs_time = True
    signature_headers = ("X-Slack-Signature", "X-Slack-Request-Timestamp")

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = hmac.digest(secret.encode(), b"v0:%d:%b" % (now, body), "sha256").hex()
        return Message({"X-Slack-Signature": f"v0={signature}", "X-Slack-Request-Timestamp": str(now)}, body)

    @given(st.text(), st.integers(-400, 400))
    def test_sign_agrees_with_the_sdk(self, text: str, ago: int) -> None:
        sdk = SignatureVerifier(self.secret, clock=Mock(Clock, now=lambda: NOW))
        body = text.encode("utf-8", "replace")
        signature = sdk.generate_signature(timestamp=str(NOW - ago), body=body)
        message = Message({"X-Slack-Signature": signature or "", "X-Slack-Request-Timestamp": str(NOW - ago)}, body)
        if sdk.is_valid_request(body, message.headers):
            self.verify(message, self.secret)
        else:
            self.rejects(message)
