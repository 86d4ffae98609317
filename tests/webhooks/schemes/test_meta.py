import hmac

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery


class TestMeta(SchemeBattery):
    scheme = "meta"
    signature_headers = ("X-Hub-Signature-256",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = hmac.digest(secret.encode(), body, "sha256").hex()
        return Message({"X-Hub-Signature-256": f"sha256={signature}"}, body)

    def test_verify_ignores_the_sha1_header(self) -> None:
        signature = hmac.digest(self.secret.encode(), BODY, "sha1").hex()
        self.rejects(Message({"X-Hub-Signature": f"sha1={signature}"}))
