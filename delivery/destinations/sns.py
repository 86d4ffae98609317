"""Send to topics of Amazon SNS, standard and FIFO: PublishBatch of the query protocol, ten messages a request.

In a FIFO topic the message group is the order key of the delivery and the deduplication id is the event's id, as in
``sqs``: a repeat within five minutes is delivered to the subscribers once.

API reference: Amazon SNS, PublishBatch, GetTopicAttributes. All messages of a request, with their attributes, have at
most 256 KiB.
"""

import html
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from delivery.transports.https import aws, aws_messages
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting

MAX_BYTES = 256 * 1024  # of one message, and of all messages of one request
MAX_ENTRIES = 10
FIFO = ".fifo"
VERSION = "2010-03-31"  # of the API
_ARN = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]{1,64}):[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_MEMBER = re.compile(rb"<member>(.*?)</member>", re.DOTALL)  # an entry has only elements without elements: no parser
_FIELD = re.compile(rb"<([A-Za-z]+)>([^<]*)</")


class Sns(HttpsKind):
    """Topics of Amazon SNS."""

    name = "sns"
    label = "Amazon SNS"
    description = (
        "An event becomes a message of a topic. At least once; a FIFO topic delivers a repeat within five minutes once."
    )
    settings = (
        Setting(
            "topic_arn",
            "Topic ARN",
            "ARN of the topic, which names its region; that of a FIFO topic ends in .fifo.",
            is_required=True,
            max_length=512,
            example="arn:aws:sns:eu-central-1:123456789012:orders",
        ),
        aws.ENDPOINT_URL,
        *aws.CREDENTIALS,
    )

    def check(self, connection: Connection) -> None:
        if not _ARN.fullmatch(connection.settings["topic_arn"]):
            text = "Must be the ARN of a topic, such as arn:aws:sns:eu-central-1:123456789012:orders."
            raise InvalidSettings({"settings.topic_arn": text})
        aws.check_aws(_located(connection))

    def address(self, settings: Mapping[str, Any]) -> str:
        return str(settings["topic_arn"])

    def test(self, connection: Connection) -> str:
        topic = connection.settings["topic_arn"]
        request = _request(_api(connection), "GetTopicAttributes", {"TopicArn": topic}, time.time())
        aws.test_call(connection, request, "settings.topic_arn")
        return "The topic exists."

    def client(self, connection: Connection) -> HttpsClient:
        return SnsClient(connection)


class SnsClient(HttpsClient):
    """Write and read PublishBatch for one topic."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_BYTES
    max_response = 64 * 1024

    def __init__(self, connection: Connection) -> None:
        self._topic = connection.settings["topic_arn"]
        self._is_fifo = self._topic.endswith(FIFO)
        self._api = _api(connection)

    def size_of(self, message: Message) -> int:
        size = aws_messages.size_of(message)
        if size > MAX_BYTES:
            raise SendFailed(Failure.TOO_LARGE, f"The message has {size} bytes; SNS accepts {MAX_BYTES}.")
        return size

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        fields = {"TopicArn": self._topic}
        for number, message in enumerate(messages):
            prefix = f"PublishBatchRequestEntries.member.{number + 1}."
            fields |= {prefix + name: value for name, value in self._entry(str(number), message)}
        return _request(self._api, "PublishBatch", fields, now)

    def _entry(self, number: str, message: Message) -> Iterator[tuple[str, str]]:
        yield "Id", number
        yield "Message", message.body.decode("utf-8", "replace")
        for place, (name, value) in enumerate(aws_messages.attributes_of(message).items(), 1):
            yield f"MessageAttributes.entry.{place}.Name", name
            for member, text in value.items():
                yield f"MessageAttributes.entry.{place}.Value.{member}", text
        if self._is_fifo:
            yield "MessageGroupId", aws_messages.group_of(message)
            yield "MessageDeduplicationId", message.id

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if (whole := aws.whole_failure(outcome, len(messages))) is not None:
            return whole
        entries = [*map(_fields, _MEMBER.findall(outcome.response))]
        sent = {it["Id"]: it["MessageId"] for it in entries if "Id" in it and "MessageId" in it}
        failures = {
            it["Id"]: {**it, "SenderFault": it.get("SenderFault") == "true"}
            for it in entries
            if "Id" in it and "Code" in it
        }
        return aws_messages.entry_outcomes(outcome, len(messages), sent, failures)


def _fields(member: bytes) -> dict[str, str]:
    return {name.decode(): html.unescape(text.decode("utf-8", "replace")) for name, text in _FIELD.findall(member)}


def _request(api: aws.AwsApi, action: str, fields: Mapping[str, str], now: float) -> HttpsRequest:
    """Return a signed request of the AWS query protocol."""
    body = urlencode({"Action": action, "Version": VERSION, **fields}).encode()
    return api.request({"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, body, now)


def _located(connection: Connection) -> Connection:
    found = _ARN.fullmatch(connection.settings["topic_arn"])
    return aws.in_region(connection, found[1] if found else "")


def _api(connection: Connection) -> aws.AwsApi:
    located = _located(connection)
    return aws.AwsApi(located, "sns", aws.api_url(located, "sns"))
