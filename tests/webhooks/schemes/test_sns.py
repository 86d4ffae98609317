import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from tests.webhooks.schemes.authority import OTHER_KEY, CertificateHost, certificate, signature
from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks.schemes.sns import confirmation_url
from webhooks.wire.errors import BadSecret, BodyTooLarge, NoMatchingSignature, StaleTimestamp

URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a1b2c3d4.pem"
ORDER = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def notification(topic: str, text: str, now: int = NOW, **changes: Any) -> dict[str, Any]:
    """Sign a notification by Amazon's documentation."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    fields = {"Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Message": text, "Timestamp": time}
    fields |= {"SignatureVersion": "2", "SigningCertURL": URL, **changes}
    content = "".join(f"{name}\n{fields[name]}\n" for name in ORDER if name in fields)
    digest = SHA1() if fields["SignatureVersion"] == "1" else SHA256()
    return {"Signature": signature(content.encode(), digest), **fields}


class TestSns(SchemeBattery):
    scheme = "sns"
    secret, other = "arn:aws:sns:eu-west-1:123456789012:orders", "arn:aws:sns:eu-west-1:123456789012:others"
    can_sign = False
    signs_time = True
    signature_headers = ()

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return self.with_fields(**notification(secret, body.decode(), now))

    def with_fields(self, **fields: Any) -> Message:
        body = json.dumps(fields, separators=(",", ":")).encode()
        return Message({"X-Amz-Sns-Message-Type": "Notification"}, body, fetch=CertificateHost({URL: certificate()}))

    def test_verify_rejects_missing_signature_headers(self) -> None:
        """Remove fields of the body, which contains the signature."""
        for name in ("Signature", "SignatureVersion", "SigningCertURL", "TopicArn", "Timestamp", "Message", "Type"):
            fields = notification(self.secret, "x")
            self.rejects(self.with_fields(**{**fields, name: ""}))
            self.rejects(self.with_fields(**{**fields, name: None}))
            self.rejects(self.with_fields(**{**fields, name: [fields[name]]}))
            del fields[name]
            self.rejects(self.with_fields(**fields))

    def test_verify_rejects_a_time_outside_the_tolerance(self) -> None:
        message = self.signed(self.secret)
        self.verify(message, self.secret, now=NOW + 3600)
        self.verify(message, self.secret, now=NOW - 300)
        for now in (NOW + 3601, NOW - 301):
            with pytest.raises(StaleTimestamp):
                self.verify(message, self.secret, now=now)
        self.verify(message, self.secret, now=NOW + 4000, tolerance=4000)

    def test_verify_includes_the_subject_if_present(self) -> None:
        fields = notification(self.secret, "x", Subject="hello")
        self.verify(self.with_fields(**fields), self.secret)
        self.rejects(self.with_fields(**{**fields, "Subject": "other"}))
        self.rejects(self.with_fields(**{**notification(self.secret, "x"), "Subject": "added"}))

    def test_verify_accepts_signature_version_1(self) -> None:
        fields = notification(self.secret, "x", SignatureVersion="1")
        self.verify(self.with_fields(**fields), self.secret)
        self.rejects(self.with_fields(**{**fields, "SignatureVersion": "2"}))

    def test_verify_rejects_raw_message_delivery(self) -> None:
        for body in (b'{"order": 1}', b"[]", b"5", b"null", b"\xff", b"[" * 100_000, b'{"Type": {}}'):
            self.rejects(replace(self.signed(self.secret), body=body))

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
    def test_verify_does_not_fetch_a_certificate_from_another_host(self, url: str) -> None:
        published = CertificateHost({url: certificate()})
        message = self.with_fields(**notification(self.secret, "x", SigningCertURL=url))
        with pytest.raises(NoMatchingSignature):
            self.verify(replace(message, fetch=published), self.secret)
        assert published.fetched == []

    def test_verify_does_not_fetch_for_another_topic(self) -> None:
        message = self.signed(self.other)
        self.rejects(message)
        assert isinstance(message.fetch, CertificateHost)
        assert message.fetch.fetched == []

    def test_verify_rejects_another_certificate(self) -> None:
        self.rejects(replace(self.signed(self.secret), fetch=CertificateHost({URL: certificate(OTHER_KEY)})))

    def test_verify_accepts_the_host_of_china(self) -> None:
        topic, url = "arn:aws-cn:sns:cn-north-1:123456789012:t", URL.replace("eu-west-1", "cn-north-1")
        url = url.replace(".com/", ".com.cn/")
        message = self.with_fields(**notification(topic, "x", SigningCertURL=url))
        self.verify(replace(message, fetch=CertificateHost({url: certificate()})), topic)

    @pytest.mark.parametrize("secret", ["orders", "arn:aws:sqs:eu-west-1:123456789012:orders", "arn:aws:sns:a/b:1:x"])
    def test_secret_that_is_no_topic_arn_is_rejected(self, secret: str) -> None:
        with pytest.raises(BadSecret):
            self.verify(self.signed(self.secret), secret)

    def test_verify_rejects_a_body_over_the_limit(self) -> None:
        with pytest.raises(BodyTooLarge):
            self.verify(self.with_fields(**notification(self.secret, "x" * 600_000)), self.secret)

    def test_verify_accepts_a_subscription_confirmation(self) -> None:
        fields = subscription_confirmation(self.secret)
        self.verify(self.with_fields(**fields), self.secret)
        self.rejects(self.with_fields(**{**fields, "Token": "other"}))


def subscription_confirmation(topic: str, now: int = NOW) -> dict[str, Any]:
    return notification(
        topic, "sure?", now, Type="SubscriptionConfirmation", Token="a b&c", SubscribeURL="https://169.254.169.254/"
    )


def test_confirmation_url_is_built_from_topic_and_token() -> None:
    body = json.dumps(subscription_confirmation(TestSns.secret)).encode()
    assert confirmation_url(body) == (
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
        "&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aorders&Token=a+b%26c"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", json.dumps(notification(TestSns.secret, "x")).encode()])
def test_confirmation_url_is_none_for_other_messages(body: bytes) -> None:
    assert confirmation_url(body) is None
