from base64 import b64encode

import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.wire.errors import BadSecret


def basic(text: str) -> str:
    return b64encode(text.encode()).decode()


class TestBasic(SchemeBattery):
    scheme = "basic"
    secret, other = "usér:pass:word", "user:other"
    signs_body = False
    signature_headers = ("Authorization",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"Authorization": f"Basic {basic(secret)}"}, body)

    def test_verify_accepts_the_word_basic_in_any_case(self) -> None:
        self.verify(Message({"authorization": f"bAsIc {basic(self.secret)}"}), self.secret)

    @pytest.mark.parametrize(
        "value", ["Basic", "Basic ", "Basic !!!", f"Bearer {basic('u:p')}", basic("u:p"), "Basic dTpw=", "Basic \ud800"]
    )
    def test_verify_rejects_other_authorization(self, value: str) -> None:
        self.rejects(Message({"Authorization": value}), "u:p")

    def test_secret_without_a_colon_is_rejected(self) -> None:
        with pytest.raises(BadSecret):
            self.verify(self.signed("user"), "user")
