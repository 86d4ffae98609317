"""Amazon SNS: fields of the JSON body are signed with Amazon's certificate.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. A secret is the ARN of a topic that is
accepted, since Amazon signs for all its customers. The certificate is fetched only from the SNS host of the topic's
region. Raw message delivery is not signed, and rejected.

SNS repeats a message for an hour with its first timestamp, so a message may be an hour old, or the tolerance if that is
longer. A subscription is confirmed at a URL that is built here (`confirmation_url`): the one in the message is not
called.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from webhooks.schemes.scheme import (
    BodyVerifier,
    KeptBody,
    Scheme,
    SignedMessage,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.schemes.signing_certificate import fetch_rsa_key, is_valid_signature, read_signature
from webhooks.wire.errors import BadSecret, NoMatchingSignature, SenderKeyRequired
from webhooks.wire.signing.hmac_signatures import keys_from_text, matching_index

_MAX_BODY = 512 * 1024  # bytes; a message has up to 256 KiB, and JSON escapes may double it
_REPEATED_FOR = 3600  # seconds, the longest HTTP retry policy
_TOPIC = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,32}):\d{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)
_PATH = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,128}\.pem", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_DIGESTS: dict[str, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 (SignatureVersion 1 is theirs)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}

Fields = dict[str, Any]


class Sns(Scheme):
    """`Signature` in the body: RSA over the names and values of the other fields, one per line."""

    name = "sns"
    label = "Amazon SNS: the ARN of the topic"
    id_path = "/MessageId"
    type_path = "/Type"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        if not all(_TOPIC.fullmatch(secret) for secret in secrets):
            raise BadSecret("must be the ARN of a topic: arn:aws:sns:...")
        return _NotificationVerifier(secrets, context)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        raise SenderKeyRequired("Only Amazon has the signing key. Publish to the topic instead.")


def confirmation_url(body: bytes) -> str | None:
    """Return the URL that confirms the subscription a verified body announces; None for any other message."""
    fields = _read(body)
    if fields is None or fields.get("Type") != "SubscriptionConfirmation":
        return None
    topic, token = fields.get("TopicArn"), fields.get("Token")
    if not isinstance(topic, str) or not isinstance(token, str) or not _TOPIC.fullmatch(topic):
        return None
    query = {"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token}
    return f"{_host(topic)}/?{urlencode(query)}"


class _NotificationVerifier(KeptBody):
    """The fields are signed in an order that the body does not have, so the whole body is kept in memory."""

    def __init__(self, topics: Sequence[str], context: VerificationContext) -> None:
        super().__init__(_MAX_BODY)
        self._topics, self._context = topics, context

    def finish(self) -> int:
        """Verify the fields and return the index of the topic. Raises SignatureError."""
        fields = _read(self.content)
        content = _content(fields or {})
        if fields is None or content is None:
            raise NoMatchingSignature("the body is not a signed notification")
        index = matching_index(self._topics, fields["TopicArn"])
        self._check_time(fields["Timestamp"])
        url, signature = str(fields.get("SigningCertURL")), read_signature(str(fields.get("Signature")))
        digest = _DIGESTS.get(str(fields.get("SignatureVersion")))
        host = _host(self._topics[index])
        if signature is None or digest is None or not (url.startswith(host) and _PATH.fullmatch(url[len(host) :])):
            raise NoMatchingSignature("Signature, SignatureVersion or SigningCertURL is not one that Amazon sends")
        if not is_valid_signature(fetch_rsa_key(self._context, url), signature, content, digest):
            raise NoMatchingSignature
        return index

    def _check_time(self, time: str) -> None:
        try:
            moment = datetime.fromisoformat(time).timestamp() if _TIME.fullmatch(time) else None
        except (ValueError, OverflowError):
            moment = None
        if moment is None:
            raise NoMatchingSignature("Timestamp must be an RFC 3339 time in UTC")
        self._context.check_moment(moment, repeated_for=_REPEATED_FOR)


def _read(body: bytes) -> Fields | None:
    try:
        fields = orjson.loads(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _content(fields: Fields) -> bytes | None:
    """Return the signed content, each name and value on a line; None if a field other than the subject is missing."""
    kind = fields.get("Type")
    names = _SIGNED.get(kind, ()) if isinstance(kind, str) else ()
    found = [(name, fields.get(name)) for name in names]
    signed = [(name, value) for name, value in found if not (name == "Subject" and value is None)]
    if not signed or not all(isinstance(value, str) for _, value in signed):
        return None
    return "".join(f"{name}\n{value}\n" for name, value in signed).encode()


def _host(topic: str) -> str:
    """Return the SNS host of a topic's region."""
    partition, region = topic.split(":")[1], topic.split(":")[3]
    return f"https://sns.{region}.amazonaws.com" + (".cn" if partition == "aws-cn" else "")
