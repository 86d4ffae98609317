"""Send to streams of Amazon Kinesis Data Streams: PutRecords, up to 500 records a request, settled one by one.

The partition key is the order key of the delivery, so that events of one key are in one shard, in the order of their
delivery. Without an order key it is the event's id, which spreads events over all shards.

API reference: Amazon Kinesis Data Streams, PutRecords, DescribeStreamSummary. A stream takes records of 1 MiB, or
of up to 10 MiB if it is configured to.
"""

import re
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.transports.https import aws
from delivery.transports.https.api_responses import parsed
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import Message
from delivery.transports.order_keys import accepted_key
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting

MAX_ENTRIES = 500
MAX_REQUEST_BYTES = 5 * 1024 * 1024  # of all records of one request
MAX_USUAL_BYTES = 1024 * 1024  # of a record; a larger one may fail its request, so it gets one of its own
MAX_BYTES = 10 * 1024 * 1024
MAX_KEY = 256  # characters of a partition key
API = "Kinesis_20131202"
_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:([a-z0-9-]{1,64}):[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class Kinesis(HttpsKind):
    """Streams of Amazon Kinesis Data Streams."""

    name = "kinesis"
    label = "Amazon Kinesis"
    description = (
        "An event becomes a record of a stream, in the shard of its order key. At least once; in order per key."
    )
    settings = (
        Setting(
            "stream", "Stream", "Name or ARN of the stream.", is_required=True, max_length=512, example="order-events"
        ),
        Setting(
            "region", "Region", "Region of the stream. Default: that in the ARN.", max_length=64, example="eu-west-1"
        ),
        aws.ENDPOINT_URL,
        *aws.CREDENTIALS,
    )

    def check(self, connection: Connection) -> None:
        stream = connection.settings["stream"]
        if not _ARN.fullmatch(stream) and not _NAME.fullmatch(stream):
            raise InvalidSettings({"settings.stream": "Must be the name or the ARN of a stream."})
        if not _region(connection.settings):
            raise InvalidSettings({"settings.region": "Is required: the stream is not given by its ARN."})
        aws.check_aws(_located(connection))

    def address(self, settings: Mapping[str, Any]) -> str:
        stream = str(settings["stream"])
        return stream if _ARN.fullmatch(stream) else f"kinesis://{_region(settings)}/{stream}"

    def test(self, connection: Connection) -> str:
        content = _stream(connection.settings)
        request = _api(connection).json_request(f"{API}.DescribeStreamSummary", content, time.time(), "1.1")
        found = aws.test_call(connection, request, "settings.stream").get("StreamDescriptionSummary")
        shards = found.get("OpenShardCount") if isinstance(found, dict) else None
        return "The stream exists." if shards is None else f"The stream has {shards} open shards."

    def client(self, connection: Connection) -> HttpsClient:
        return KinesisClient(connection)


class KinesisClient(HttpsClient):
    """Write and read PutRecords for one stream."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_REQUEST_BYTES
    max_response = 256 * 1024

    def __init__(self, connection: Connection) -> None:
        self._stream = _stream(connection.settings)
        self._api = _api(connection)

    def size_of(self, message: Message) -> int:
        size = len(message.body) + len(partition_key_of(message).encode())
        if size > MAX_BYTES:
            raise SendFailed(Failure.TOO_LARGE, f"The record has {size} bytes; Kinesis accepts {MAX_BYTES}.")
        return size if size <= MAX_USUAL_BYTES else MAX_REQUEST_BYTES

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        records = [
            {"Data": b64encode(message.body).decode(), "PartitionKey": partition_key_of(message)}
            for message in messages
        ]
        return self._api.json_request(f"{API}.PutRecords", {**self._stream, "Records": records}, now, "1.1")

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if (whole := aws.whole_failure(outcome, len(messages))) is not None:
            return whole
        records = parsed(outcome.response).get("Records")
        if not isinstance(records, list) or len(records) != len(messages):
            return [outcome._replace(failure=Failure.PROTOCOL)] * len(messages)
        return [_verdict(outcome, record) for record in records]


def _verdict(outcome: Outcome, record: Any) -> Outcome:
    """Return the outcome of one record; the records of a response are in the order of the request."""
    found = record if isinstance(record, dict) else {}
    if code := found.get("ErrorCode"):
        return aws.failed(outcome, str(code), str(found.get("ErrorMessage", "")), 400)
    if number := found.get("SequenceNumber"):
        return outcome._replace(response=f"{found.get('ShardId', '')} {number}".encode())
    return outcome._replace(failure=Failure.PROTOCOL)


def partition_key_of(message: Message) -> str:
    """Return the partition key: the order key, or its digest if it is too long; the event's id without one."""
    key = message.order_key
    if key is None:
        return message.id
    return accepted_key(key, fits=len(key) <= MAX_KEY)


def _stream(settings: Mapping[str, Any]) -> dict[str, str]:
    stream = settings["stream"]
    return {"StreamARN" if _ARN.fullmatch(stream) else "StreamName": stream}


def _region(settings: Mapping[str, Any]) -> str:
    found = _ARN.fullmatch(settings["stream"])
    return settings.get("region") or (found[1] if found else "")


def _located(connection: Connection) -> Connection:
    return aws.in_region(connection, _region(connection.settings))


def _api(connection: Connection) -> aws.AwsApi:
    located = _located(connection)
    return aws.AwsApi(located, "kinesis", aws.api_url(located, "kinesis"))
