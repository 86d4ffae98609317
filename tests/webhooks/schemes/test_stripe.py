import hmac
import time

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.wire.errors import MalformedHeader

HEADER = "Stripe-Signature"


def digest(secret: str, body: bytes = BODY, now: int = NOW) -> str:
    return hmac.digest(secret.encode(), b"%d.%b" % (now, body), "sha256").hex()


class TestStripe(SchemeBattery):
    scheme = "stripe"
    secret, other = "whsec_test_secret", "whsec_other_secret"
    signs_time = True
    signature_headers = list_headers = (HEADER,)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({HEADER: f"t={now},v1={digest(secret, body, now)}"}, body)

    @given(st.text(st.characters(codec="utf-8")))
    def test_verify_accepts_what_the_library_signs(self, text: str) -> None:
        header = stripe.WebhookSignature.generate_signature_header(text, self.secret, NOW)
        self.verify(Message({HEADER: header}, text.encode()), self.secret)

    def test_signed_message_is_verified_by_the_library(self) -> None:
        now = int(time.time())
        message = self.signed(self.secret, now=now)
        stripe.WebhookSignature.verify_header(message.body.decode(), message.headers[HEADER], self.secret, 300)

    def test_verify_accepts_any_of_several_signatures(self) -> None:
        good = digest(self.secret)
        for header in (
            f"t={NOW},v1=bad,v1={good}",
            f"t={NOW},v1={good},v1=bad",
            f"v1={good},t={NOW}",
            f"t={NOW},v0=bad,v1={good},v9=x,nonsense,,=",
        ):
            self.verify(Message({HEADER: header}), self.secret)

    def test_verify_ignores_other_versions(self) -> None:
        good = digest(self.secret)
        for header in (f"t={NOW},v0={good}", f"t={NOW},v2={good}", f"t={NOW},V1={good}", f"t={NOW},{good}"):
            self.rejects(Message({HEADER: header}))
        self.rejects(Message({HEADER: f"t={NOW},v0={good},v1=bad"}))

    @pytest.mark.parametrize(
        "when", ["", "t=,", "t=abc,", f"t={NOW}.0,", f"t={NOW},t={NOW},", f"t=+{NOW},", f"T={NOW},"]
    )
    def test_verify_rejects_an_invalid_or_repeated_time(self, when: str) -> None:
        with pytest.raises(MalformedHeader):
            self.verify(Message({HEADER: f"{when}v1={digest(self.secret)}"}), self.secret)
