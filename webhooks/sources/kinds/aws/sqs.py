"""Read a queue of Amazon SQS, or of a compatible service, standard or FIFO.

A message stays invisible to others from its receipt to its deletion, which follows our commit; a worker that dies
leaves it to be received again, and its MessageId makes that a duplicate. It is invisible for longer than a lease, after
which nothing that a reader fetched is stored, so that time is never extended. The id is not
MessageDeduplicationId: with deduplication by content, two equal messages of different days have the same.

A message returned by SNS, S3 or EventBridge is opened by the receiver, as one that they post is.
"""

import time
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from webhooks.outgoing.call_messages import CallResponse
from webhooks.sources.kinds.aws.client import AWS_SETTINGS, CALL_SECONDS, AwsApi, AwsError, check_place
from webhooks.sources.kinds.aws.queue_name import parse_queue
from webhooks.sources.kinds.http_calls import Busy
from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    Position,
    Reader,
    Record,
    Sample,
    Setting,
    SourceUnavailable,
)
from webhooks.sources.kinds.record_headers import record_headers

BATCH = 10  # messages in one call
PARALLEL = 6  # calls at once; below the limit for one host
MAX_WAIT = 20  # seconds of one call
MAX_BYTES = 16 * 1024**2  # of bodies in one fetch, after which no more calls are made
DELETE_TRIES = 3
RETRY_SECONDS = 0.2  # before a deletion is tried again

_HEADERS = {  # system attributes of a message, as headers
    "ApproximateReceiveCount": "aws-sqs-receive-count",
    "ApproximateFirstReceiveTimestamp": "aws-sqs-first-receive-timestamp",
    "MessageGroupId": "aws-sqs-message-group-id",
    "MessageDeduplicationId": "aws-sqs-message-deduplication-id",
    "SequenceNumber": "aws-sqs-sequence-number",
    "SenderId": "aws-sqs-sender-id",
    "DeadLetterQueueSourceArn": "aws-sqs-dead-letter-queue-source-arn",
    "AWSTraceHeader": "x-amzn-trace-id",
}


class SqsReader:
    """Receive messages of a queue, and delete them when they are stored."""

    def __init__(self, api: AwsApi, url: str, visible_after: int) -> None:
        self._api, self._url, self._visible_after = api, url, visible_after
        self._is_fifo = url.endswith(".fifo")  # of other queues, a group only shares the queue fairly
        self._unacknowledged: list[str] = []
        self._is_empty = False

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        self._is_empty = False
        seconds = min(round(wait), MAX_WAIT)
        records = self._received(self._receive(min(BATCH, limit), seconds))
        found: Sequence[Record] = records
        largest = size = _size(records)
        while records and len(found) >= min(BATCH, limit) and len(records) < limit and size < MAX_BYTES:
            calls = min(PARALLEL, -(-(limit - len(records)) // BATCH), max(1, (MAX_BYTES - size) // max(largest, 1)))
            found, larger = self._receive_more(limit - len(records), calls)
            records += found
            largest, size = max(largest, larger), size + _size(found)
        self._is_empty = not records and seconds > 0
        self._unacknowledged += [record.handle for record in records]
        return records

    def _receive_more(self, limit: int, calls: int) -> tuple[list[Record], int]:
        """Receive in several calls at once; return all records, and the bytes of the largest response.

        A call that fails brings none: what is wrong shows at the next fetch.
        """
        futures = [self._receive(min(BATCH, limit - number * BATCH), 0) for number in range(calls)]
        records: list[Record] = []
        largest = 0
        for future in futures:
            with suppress(SourceUnavailable):
                found = self._received(future)
                largest = max(largest, _size(found))
                records += found
        return records, largest

    def _receive(self, number: int, seconds: int) -> "Future[CallResponse]":
        request = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": number,
            "WaitTimeSeconds": seconds,
            "VisibilityTimeout": self._visible_after,
            "AttributeNames": ["All"],  # the name of the next member in compatible services
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        return self._api.start("ReceiveMessage", request, seconds + CALL_SECONDS)

    def _received(self, future: "Future[CallResponse]") -> list[Record]:
        found = self._api.result(future).get("Messages") or []
        return [_record(it, is_fifo=self._is_fifo) for it in found]

    def acknowledge(self, records: Sequence[Record]) -> None:
        left = [record.handle for record in records if record.handle]
        self._unacknowledged = []
        for attempt in range(DELETE_TRIES):
            if attempt:
                time.sleep(RETRY_SECONDS * attempt)
            left, error = self._in_batches("DeleteMessageBatch", left, {})
            if not left:
                return
        raise error or SourceUnavailable(f"{len(left)} messages were stored, and the queue does not delete them.")

    def _in_batches(
        self, operation: str, handles: Sequence[str], more: Mapping[str, Any]
    ) -> tuple[list[str], SourceUnavailable | None]:
        """Do the same with all messages; return those with which it failed and may succeed, and the last error."""
        left: list[str] = []
        error: SourceUnavailable | None = None
        batches = [handles[start : start + BATCH] for start in range(0, len(handles), BATCH)]
        for start in range(0, len(batches), PARALLEL):
            group = batches[start : start + PARALLEL]
            futures = [self._api.start(operation, self._entries(batch, more)) for batch in group]
            for batch, future in zip(group, futures, strict=True):
                try:
                    failed = self._api.result(future).get("Failed") or []
                except SourceUnavailable as raised:
                    error = raised
                    left += batch
                else:
                    left += [batch[int(it["Id"])] for it in failed if not it.get("SenderFault")]
        return left, error

    def _entries(self, batch: Sequence[str], more: Mapping[str, Any]) -> dict[str, Any]:
        entries = [{"Id": str(number), "ReceiptHandle": handle, **more} for number, handle in enumerate(batch)]
        return {"QueueUrl": self._url, "Entries": entries}

    def lag(self) -> Lag:
        if self._is_empty:
            return Lag(0, 0.0)
        try:
            attributes = _attributes(self._api, self._url)
        except (AwsError, Busy):  # not permitted, or too much: reading works without
            return Lag()
        return Lag(_integer(attributes.get("ApproximateNumberOfMessages")))

    def close(self) -> None:
        """Make messages that were not stored visible again at once."""
        handles, self._unacknowledged = self._unacknowledged, []
        self._in_batches("ChangeMessageVisibilityBatch", handles, {"VisibilityTimeout": 0})


class Sqs(Kind):
    """Messages of an SQS queue."""

    name = "sqs"
    label = "Amazon SQS"
    description = (
        "Each message of a queue is received once: it is stored, then deleted from the queue, and a message that the "
        "queue delivers again is a duplicate by its MessageId."
    )
    settings = (
        Setting(
            "queue",
            "Queue",
            "URL, ARN or name of the queue.",
            is_required=True,
            names_place=True,
            example="https://sqs.eu-north-1.amazonaws.com/123456789012/orders",
        ),
        *AWS_SETTINGS,
        Setting(
            "visibility_timeout",
            "Visibility timeout",
            "Seconds after which a message is received again if a worker dies before it is deleted.",
            type="number",
            default=90,
            minimum=75,  # longer than a lease and the fetch before it is extended
            maximum=43_200,
        ),
    )
    can_seek = False

    def check(self, connection: Connection) -> None:
        try:
            queue = parse_queue(connection.settings["queue"])
        except ValueError as error:
            raise InvalidSettings({"settings.queue": str(error)}) from None
        given = connection.settings.get("region")
        if given and queue.region and given != queue.region:
            raise InvalidSettings({"settings.region": f"The queue is in the region {queue.region}; leave this empty."})
        check_place(connection, queue.region or given or "")

    def test(self, connection: Connection) -> Sample:
        api, url = self._find(connection)
        attributes = _attributes(api, url)
        number = _integer(attributes.get("ApproximateNumberOfMessages")) or 0
        form = "FIFO queue" if attributes.get("FifoQueue") == "true" else "standard queue"
        name = parse_queue(connection.settings["queue"]).name
        return Sample(
            f"Found the {form} {name} with about {number} messages. None was received, because that would count as an "
            "attempt to deliver it."
        )

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        api, url = self._find(connection)
        return SqsReader(api, url, connection.settings.get("visibility_timeout", 90))

    def remove(self, connection: Connection) -> None:
        """Remove nothing: a queue has no trace of its readers."""

    def _find(self, connection: Connection) -> tuple[AwsApi, str]:
        """Return the API and the URL of the queue. Raises SourceUnavailable."""
        queue = parse_queue(connection.settings["queue"])
        region = queue.region or connection.settings.get("region") or ""
        api = AwsApi(connection, "sqs", "AmazonSQS", "1.0", region, "queue")
        if queue.url:
            return api, queue.url
        request = {"QueueName": queue.name}
        if queue.account:
            request["QueueOwnerAWSAccountId"] = queue.account
        url = api.call("GetQueueUrl", request).get("QueueUrl")
        if not isinstance(url, str):
            raise SourceUnavailable("The service named no URL for the queue.", "settings.queue")
        return api, url


def _attributes(api: AwsApi, url: str) -> Mapping[str, Any]:
    found = api.call("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["All"]}).get("Attributes")
    return found if isinstance(found, dict) else {}


def _record(message: Mapping[str, Any], *, is_fifo: bool) -> Record:
    system = message.get("Attributes") or {}
    given = dict(_message_attributes(message.get("MessageAttributes") or {}))
    own = {header: system.get(name) for name, header in _HEADERS.items()}
    headers = record_headers(given.items(), own)
    body = str(message.get("Body") or "").encode("utf-8", "surrogatepass")
    return Record(
        id=str(message.get("MessageId") or ""),
        body=body,
        headers=headers,
        content_type=headers.get("content-type", ""),
        time=_time(system.get("SentTimestamp")),
        order_key=str(system.get("MessageGroupId") or "") if is_fifo else "",
        handle=str(message.get("ReceiptHandle") or ""),
    )


def _message_attributes(attributes: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield names and values; binary ones as bytes if they are text in UTF-8, else as they are written, in base64."""
    for name, it in attributes.items():
        if not isinstance(it, dict):
            continue
        value = it.get("StringValue")
        if value is None and isinstance(it.get("BinaryValue"), str):
            value = it["BinaryValue"]
            with suppress(ValueError):
                value = b64decode(value, validate=True).decode()
        yield name, value


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.body) for record in records)


def _integer(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def _time(milliseconds: object) -> datetime | None:
    number = _integer(milliseconds)
    try:
        return None if number is None else datetime.fromtimestamp(number / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
