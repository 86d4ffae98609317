"""Write to buckets of Amazon S3 and compatible services: an object for each event, or JSON lines for each request.

The key of an object follows from the event, so a repeat replaces the object with the same bytes. An object of JSON
lines has the events that were due together, or those of a ``batch``; its key follows from their ids.

API reference: Amazon S3, PutObject, ListObjectsV2.
"""

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from delivery.transports.https import aws
from delivery.transports.https.http_batch import batch_id
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import CONTENT_TYPE, Message
from delivery.transports.outcome import Outcome
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.wire.ids import parse
from webhooks.wire.transform.template import is_json_text

OBJECT, LINES = "object", "lines"
MAX_LINES = 1_000  # events in one object
MAX_LINES_BYTES = 16 * 1024 * 1024  # of one object
LINES_TYPE = "application/x-ndjson"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


class S3(HttpsKind):
    """Buckets of Amazon S3."""

    name = "s3"
    label = "Amazon S3"
    description = (
        "An event becomes an object of a bucket, or a line of an object. At least once; the object of an event is "
        "replaced by a repeat, a line may be in two objects."
    )
    settings = (
        Setting("bucket", "Bucket", "Name of the bucket.", is_required=True, max_length=63, example="order-events"),
        aws.REGION,
        Setting(
            "prefix",
            "Prefix",
            "Beginning of the keys. What follows is the date of the event (UTC) and its id: 2026/01/31/evt_....json.",
            max_length=512,
            example="shop/",
        ),
        Setting(
            "form",
            "Form",
            "object: an object for each event. lines: JSON lines, an object for the events of a request (see batch).",
            default=OBJECT,
            choices=(OBJECT, LINES),
        ),
        Setting(
            "endpoint_url",
            "API URL",
            "URL of a compatible service, or of an interface endpoint. Default: that of AWS in the region.",
            example="https://s3.example.com",
        ),
        *aws.CREDENTIALS,
    )

    def check(self, connection: Connection) -> None:
        settings, problems = connection.settings, {}
        if not _BUCKET.fullmatch(settings["bucket"]):
            problems["settings.bucket"] = "Must be the name of a bucket."
        if any(it in ("", ".", "..") for it in settings.get("prefix", "").split("/")[:-1]):
            problems["settings.prefix"] = "Must not begin with a slash, or have parts that are empty, . or .."
        if problems:
            raise InvalidSettings(problems)
        aws.check_aws(connection)

    def address(self, settings: Mapping[str, Any]) -> str:
        return f"s3://{settings['bucket']}/{settings.get('prefix', '')}"

    def test(self, connection: Connection) -> str:
        url = f"{_bucket_url(connection)}?list-type=2&max-keys=1"
        request = aws.AwsApi(connection, "s3", url).request({}, b"", time.time(), "GET")
        aws.test_call(connection, request, "settings.bucket")
        return "The bucket exists."

    def client(self, connection: Connection) -> HttpsClient:
        return S3LinesClient(connection) if connection.settings["form"] == LINES else S3Client(connection)


class S3Client(HttpsClient):
    """Write and read PutObject for one bucket, an object for each event."""

    def __init__(self, connection: Connection) -> None:
        url = _bucket_url(connection)
        self._prefix = connection.settings.get("prefix", "")
        self._path = "/" + url.split("/", 3)[3]
        self._api = aws.AwsApi(connection, "s3", url)

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        (message,) = messages
        attributes = message.attributes
        headers = {f"x-amz-meta-{name}": value for name, value in attributes.items() if name != CONTENT_TYPE}
        suffix = "json" if message.is_event or "json" in message.content_type else "txt"
        return self._put(message, f"{message.id}.{suffix}", message.content_type, headers, message.body, now)

    def _put(
        self, first: Message, name: str, content_type: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> HttpsRequest:
        """Return the request for an object; the day in its key is that of the ``first`` event."""
        key = f"{self._prefix}{day_of(first)}{name}"
        path = self._path + quote(key, safe="/-_.~")
        return self._api.request({**headers, "content-type": content_type}, body, now, "PUT", path)

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        whole = aws.whole_failure(outcome, len(messages))
        return [outcome] * len(messages) if whole is None else whole


class S3LinesClient(S3Client):
    """Write objects of JSON lines, each with the events of one request."""

    max_entries = MAX_LINES
    max_bytes = MAX_LINES_BYTES

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        body = b"".join(line_of(message) + b"\n" for message in messages)
        return self._put(messages[0], f"{batch_id(messages)}.jsonl", LINES_TYPE, {}, body, now)


def day_of(message: Message) -> str:
    """Return the day on which the event was published, as a folder: part of its id, so the same in every attempt."""
    try:
        milliseconds = parse("evt", message.id).int >> 80
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y/%m/%d}/"
    except (ValueError, OverflowError, OSError):
        return ""


def line_of(message: Message) -> bytes:
    """Return an event as one line: line ends in JSON are spaces between its members; a text becomes a JSON string."""
    text = message.body.decode("utf-8", "replace")
    if message.is_event or is_json_text(text):
        return message.body.translate(_LINE_ENDS)
    return orjson.dumps(text)


def _bucket_url(connection: Connection) -> str:
    """Return the URL of the bucket with a slash at its end: by the host's name, or by path where that cannot work."""
    bucket = connection.settings["bucket"]
    url = aws.api_url(connection, "s3")
    if connection.settings.get("endpoint_url") or "." in bucket:
        return f"{url}{bucket}/"
    return url.replace("://", f"://{bucket}.", 1)
