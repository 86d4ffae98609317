"""Check the schemes of Standard Webhooks and Svix."""

import hmac
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.schemes.scheme import UnsignedMessage
from webhooks.wire.signing import standard_webhooks
from webhooks.wire.signing.keys import new_keypair

OTHER = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
OTHER_PRIVATE, _ = new_keypair()


class StandardBattery(SchemeBattery):
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    other = OTHER
    signs_time = True
    list_headers = ("webhook-signature", "svix-signature")
    family: ClassVar[str]

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        mac = hmac.new(b64decode(secret.removeprefix("whsec_")), b"msg_1.%d.%b" % (now, body), sha256)
        return self.message("v1," + b64encode(mac.digest()).decode(), body, now)

    def message(self, signature: str, body: bytes, now: int) -> Message:
        values = {"id": "msg_1", "timestamp": str(now), "signature": signature}
        return Message({self.family + name: value for name, value in values.items()}, body)

    def test_message_id_is_the_signed_id(self) -> None:
        assert schemes.get(self.scheme).message_id(self.signed(self.secret).headers) == "msg_1"
        assert schemes.get(self.scheme).message_id({}) is None


class TestStandard(StandardBattery):
    scheme, family = "standard", "webhook-"
    signature_headers = ("webhook-id", "webhook-timestamp", "webhook-signature")


class TestStandardWithTheHeadersOfSvix(StandardBattery):
    scheme, family = "standard", "svix-"
    signature_headers = ("svix-id", "svix-timestamp", "svix-signature")


class TestSvix(StandardBattery):
    scheme, family = "svix", "svix-"
    signature_headers = ("svix-id", "svix-timestamp", "svix-signature")


@given(st.text(st.characters(codec="utf-8")), st.sampled_from([standardwebhooks.Webhook, svix.webhooks.Webhook]))
def test_verify_accepts_what_the_libraries_sign(text: str, library: Any) -> None:
    secret, moment = TestStandard.secret, datetime.fromtimestamp(NOW, UTC)
    signature = library(secret).sign("msg_1", moment, text)
    for battery in (TestStandard(), TestStandardWithTheHeadersOfSvix(), TestSvix()):
        battery.verify(battery.message(signature, text.encode(), NOW), secret)
        battery.rejects(battery.message(signature, text.encode() + b" ", NOW), secret)


@pytest.mark.parametrize(
    ("scheme", "library"), [("standard", standardwebhooks.Webhook), ("svix", svix.webhooks.Webhook)]
)
def test_sign_is_verified_by_the_libraries(scheme: str, library: Any) -> None:
    sample = schemes.get(scheme).sign(TestStandard.secret, UnsignedMessage(BODY, "", int(time.time()), "msg_1"))
    library(TestStandard.secret).verify(sample.body, sample.headers)
    with pytest.raises((standardwebhooks.WebhookVerificationError, svix.webhooks.WebhookVerificationError)):
        library(OTHER).verify(sample.body, sample.headers)


class TestAsymmetric(StandardBattery):
    scheme, family = "standard", "webhook-"
    secret, other = PRIVATE, OTHER_PRIVATE
    signature_headers = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return self.message(standard_webhooks.sign(secret, "msg_1", now, body), body, now)


def test_verify_never_mixes_headers_of_two_prefixes() -> None:
    message = TestStandard().signed(TestStandard.secret)
    mixed = message.without("webhook-id").with_header("svix-id", "msg_1")
    TestStandard().rejects(mixed)
    TestSvix().rejects(mixed)


def test_verify_uses_a_complete_set_beside_an_incomplete_one() -> None:
    message = TestSvix().signed(TestSvix.secret).with_header("webhook-id", "msg_2")
    TestStandard().verify(message, TestStandard.secret)
    assert schemes.get("standard").message_id(message.headers) == "msg_1"
