import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from tests.webhooks.schemes.authority import OTHER_KEY, Published, certificate, signature
from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.schemes.sns import confirmation_url
from webhooks.wire.errors import BadSecret, BodyTooLarge, NoMatchingSignature, StaleTimestamp

URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a1b2c3d4.pem"
ORDER = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def notification(topic: str, text: str, now: int = NOW, **changes: Any) -> dict[str, Any]:
    """As Amazon signs it: by its documentation."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    fields = {"Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Message": text, "Timestamp": time}
    fields |= {"SignatureVersion": "2", "SigningCertURL": URL, **changes}
    content = "".join(f"{name}\n{fields[name]}\n" for name in ORDER if name in fields)
    digest = SHA1() if fields["SignatureVersion"] == "1" else SHA256()
    return {"Signature": signature(content.encode(), digest), **fields}


class TestSns(SchemeBattery):
    scheme = "sns"
    secret, other = "arn:aws:sns:eu-west-1:123456789012:orders", "arn:aws:sns:eu-west-1:123456789012:others"
    can_be_signed_by_us = False
    proof = ()

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return self.saying(**notification(secret, body.decode(), now))

    def saying(self, **fields: Any) -> Message:
        body = json.dumps(fields, separators=(",", ":")).encode()
        return Message({"X-Amz-Sns-Message-Type": "Notification"}, body, fetch=Published({URL: certificate()}))

    def test_refuses_without_the_headers_of_the_proof(self) -> None:
        """The proof is in the body."""
        for name in ("Signature", "SignatureVersion", "SigningCertURL", "TopicArn", "Timestamp", "Message", "Type"):
            fields = notification(self.secret, "x")
            self.refuses(self.saying(**{**fields, name: ""}))
            self.refuses(self.saying(**{**fields, name: None}))
            self.refuses(self.saying(**{**fields, name: [fields[name]]}))
            del fields[name]
            self.refuses(self.saying(**fields))

    def test_refuses_what_is_stale(self) -> None:
        message = self.signed(self.secret)
        self.verify(message, self.secret, now=NOW + 3600)
        self.verify(message, self.secret, now=NOW - 300)
        for now in (NOW + 3601, NOW - 301):
            with pytest.raises(StaleTimestamp):
                self.verify(message, self.secret, now=now)
        self.verify(message, self.secret, now=NOW + 4000, tolerance=4000)

    def test_a_subject_is_signed_if_there_is_one(self) -> None:
        fields = notification(self.secret, "x", Subject="hello")
        self.verify(self.saying(**fields), self.secret)
        self.refuses(self.saying(**{**fields, "Subject": "other"}))
        self.refuses(self.saying(**{**notification(self.secret, "x"), "Subject": "added"}))

    def test_version_1_is_theirs_too(self) -> None:
        fields = notification(self.secret, "x", SignatureVersion="1")
        self.verify(self.saying(**fields), self.secret)
        self.refuses(self.saying(**{**fields, "SignatureVersion": "2"}))

    def test_raw_delivery_is_not_signed(self) -> None:
        for body in (b'{"order": 1}', b"[]", b"5", b"null", b"\xff", b"[" * 100_000, b'{"Type": {}}'):
            self.refuses(replace(self.signed(self.secret), body=body))

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/SimpleNotificationService-a.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
            "https://bucket.s3.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.eu-west-1.amazonaws.com:444/SimpleNotificationService-a.pem",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem?x",
            "https://sns.eu-west-1.amazonaws.com/a/SimpleNotificationService-a.pem",
        ],
    )
    def test_a_certificate_from_elsewhere_is_not_even_fetched(self, url: str) -> None:
        published = Published({url: certificate()})
        message = self.saying(**notification(self.secret, "x", SigningCertURL=url))
        with pytest.raises(NoMatchingSignature):
            self.verify(replace(message, fetch=published), self.secret)
        assert published.asked == []

    def test_nothing_is_fetched_for_a_topic_that_is_not_ours(self) -> None:
        message = self.signed(self.other)
        self.refuses(message)
        assert isinstance(message.fetch, Published)
        assert message.fetch.asked == []

    def test_a_certificate_of_somebody_else_is_refused(self) -> None:
        self.refuses(replace(self.signed(self.secret), fetch=Published({URL: certificate(OTHER_KEY)})))

    def test_china_has_a_host_of_its_own(self) -> None:
        topic, url = "arn:aws-cn:sns:cn-north-1:123456789012:t", URL.replace("eu-west-1", "cn-north-1")
        url = url.replace(".com/", ".com.cn/")
        message = self.saying(**notification(topic, "x", SigningCertURL=url))
        self.verify(replace(message, fetch=Published({url: certificate()})), topic)

    @pytest.mark.parametrize("secret", ["orders", "arn:aws:sqs:eu-west-1:123456789012:orders", "arn:aws:sns:a/b:1:x"])
    def test_a_secret_is_the_arn_of_a_topic(self, secret: str) -> None:
        with pytest.raises(BadSecret):
            self.verify(self.signed(self.secret), secret)

    def test_a_body_has_a_limit(self) -> None:
        with pytest.raises(BodyTooLarge):
            self.verify(self.saying(**notification(self.secret, "x" * 600_000)), self.secret)

    def test_a_confirmation_is_signed_over_other_fields(self) -> None:
        fields = asking_to_confirm(self.secret)
        self.verify(self.saying(**fields), self.secret)
        self.refuses(self.saying(**{**fields, "Token": "other"}))


def asking_to_confirm(topic: str, now: int = NOW) -> dict[str, Any]:
    return notification(
        topic, "sure?", now, Type="SubscriptionConfirmation", Token="a b&c", SubscribeURL="https://169.254.169.254/"
    )


def test_a_subscription_is_confirmed_at_an_address_of_our_own_and_never_at_that_of_the_message() -> None:
    body = json.dumps(asking_to_confirm(TestSns.secret)).encode()
    assert confirmation_url(body) == (
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
        "&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aorders&Token=a+b%26c"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", json.dumps(notification(TestSns.secret, "x")).encode()])
def test_other_messages_ask_for_no_confirmation(body: bytes) -> None:
    assert confirmation_url(body) is None
