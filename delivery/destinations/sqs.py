"""Send to queues of Amazon SQS, standard and FIFO: SendMessageBatch of the JSON protocol, ten messages a request.

In a FIFO queue the message group is the order key of the delivery, so that order holds per key from the event to the
consumer, and the deduplication id is the event's id: a repeat within five minutes is stored once. Without an order key
each message has a group of its own, so that none waits for another.

API reference: Amazon SQS, SendMessageBatch, GetQueueAttributes. A message body is text of at most 1 MiB, as is a
request: the sum of bodies and attributes.
"""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from delivery.transports.https import aws, aws_messages
from delivery.transports.https.api_responses import parsed
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.kit.kinds.setting import url_problem

MAX_BYTES = 1024 * 1024  # of one message, and of all messages of one request
MAX_ENTRIES = 10
FIFO = ".fifo"
_HOST_REGION = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?|([a-z0-9-]+)\.queue\.amazonaws\.com")
_FORBIDDEN_TEXT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Sqs(HttpsKind):
    """Queues of Amazon SQS."""

    name = "sqs"
    label = "Amazon SQS"
    description = (
        "An event becomes a message of a queue. At least once; a FIFO queue stores a repeat within five minutes once."
    )
    settings = (
        Setting(
            "queue_url",
            "Queue URL",
            "URL of the queue; that of a FIFO queue ends in .fifo.",
            is_required=True,
            example="https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
        ),
        Setting("region", "Region", "Region of the queue. Default: that in the URL.", max_length=64),
        *aws.CREDENTIALS,
    )

    def check(self, connection: Connection) -> None:
        if problems := url_problem(connection.settings["queue_url"], "settings.queue_url"):
            raise InvalidSettings(problems)
        if not _region(connection.settings):
            text = "Is required: the URL of the queue does not name a region."
            raise InvalidSettings({"settings.region": text})
        aws.check_aws(_with_region(connection))

    def address(self, settings: Mapping[str, Any]) -> str:
        return str(settings["queue_url"])

    def test(self, connection: Connection) -> str:
        content = {"QueueUrl": connection.settings["queue_url"], "AttributeNames": ["ApproximateNumberOfMessages"]}
        request = _api(connection).json_request("AmazonSQS.GetQueueAttributes", content, time.time())
        found = aws.test_call(connection, request, "settings.queue_url").get("Attributes", {})
        return f"The queue has about {found.get('ApproximateNumberOfMessages', '0')} messages."

    def client(self, connection: Connection) -> HttpsClient:
        return SqsClient(connection)


class SqsClient(HttpsClient):
    """Write and read SendMessageBatch for one queue."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_BYTES
    max_response = 64 * 1024

    def __init__(self, connection: Connection) -> None:
        self._queue_url = connection.settings["queue_url"]
        self._is_fifo = self._queue_url.endswith(FIFO)
        self._api = _api(connection)

    def size_of(self, message: Message) -> int:
        size = aws_messages.size_of(message)
        if size > MAX_BYTES:
            raise SendFailed(Failure.TOO_LARGE, f"The message has {size} bytes; SQS accepts {MAX_BYTES}.")
        if _FORBIDDEN_TEXT.search(message.body.decode("utf-8", "replace")):
            raise SendFailed(
                Failure.REFUSED, "The body has characters that SQS does not accept (XML 1.0, section 2.2)."
            )
        return size

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        entries = [self._entry(str(number), message) for number, message in enumerate(messages)]
        content = {"QueueUrl": self._queue_url, "Entries": entries}
        return self._api.json_request("AmazonSQS.SendMessageBatch", content, now)

    def _entry(self, number: str, message: Message) -> dict[str, Any]:
        entry = {
            "Id": number,
            "MessageBody": message.body.decode("utf-8", "replace"),
            "MessageAttributes": aws_messages.attributes_of(message),
        }
        if self._is_fifo:
            entry |= {"MessageGroupId": aws_messages.group_of(message), "MessageDeduplicationId": message.id}
        return entry

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if (whole := aws.whole_failure(outcome, len(messages))) is not None:
            return whole
        found = parsed(outcome.response)
        sent = {str(it.get("Id")): str(it.get("MessageId", "")) for it in found.get("Successful") or ()}
        failures = {str(it.get("Id")): it for it in found.get("Failed") or ()}
        return aws_messages.entry_outcomes(outcome, len(messages), sent, failures)


def _api(connection: Connection) -> aws.AwsApi:
    parts = urlsplit(connection.settings["queue_url"])
    return aws.AwsApi(_with_region(connection), "sqs", f"{parts.scheme}://{parts.netloc}/")


def _region(settings: Mapping[str, Any]) -> str:
    found = _HOST_REGION.fullmatch(urlsplit(settings["queue_url"]).netloc)
    return settings.get("region") or (found[1] or found[3] if found else "")


def _with_region(connection: Connection) -> Connection:
    return aws.in_region(connection, _region(connection.settings))
