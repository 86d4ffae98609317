"""Amazon S3 event notifications: each record is an event.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html. Attributes are those of the
CloudEvents adapter for S3, but for two: all objects that one request deletes have the id of that request, so a hash
over the object and what happened to it is added; and the subject is the name of the object, which a notification has
encoded as in a form (a plus sign for a space).
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import orjson

from webhooks.wire.bodies.json_selection import follow
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import MAX_BATCH
from webhooks.wire.envelopes.message import Message, OpenInner, as_uri, is_text
from webhooks.wire.errors import InvalidEvent

MEMBERS = ("/Records/0/eventSource", "/Records/0/eventName", "/Service", "/Event", "/Bucket")
NAMES = ("Records", "Event")
_TEST = "s3:TestEvent"
_TYPE = "com.amazonaws.s3."
_OBJECT = ("/eventName", "/s3/object/key", "/s3/object/versionId", "/s3/object/sequencer", "/s3/configurationId")


def is_envelope(_headers: Mapping[str, str], document: object) -> bool:
    """Return whether the body has records of S3 or of a compatible store, or is the test message of S3."""
    source, name = follow("/Records/0/eventSource", document), follow("/Records/0/eventName", document)
    is_record = isinstance(source, str) and source.endswith(":s3") and is_text(name)
    return is_record or (follow("/Event", document) == _TEST and is_text(follow("/Bucket", document)))


def open_events(message: Message, _open_inner: OpenInner) -> list[Event]:
    """Return an event for each record. Raises InvalidEvent."""
    try:
        document = orjson.loads(message.body)
    except ValueError:
        raise InvalidEvent("", "is not JSON") from None
    if follow("/Event", document) == _TEST:
        return [_test_event(message, document)]
    records = follow("/Records", document)
    if not isinstance(records, list) or not records or len(records) > MAX_BATCH:
        raise InvalidEvent("Records", f"is not an array of 1 to {MAX_BATCH} records")
    return [_event(record, index) for index, record in enumerate(records)]


def _event(record: Any, index: int) -> Event:
    source, name, bucket = (follow(it, record) for it in ("/eventSource", "/eventName", "/s3/bucket/name"))
    if not is_text(source, name, bucket):
        raise InvalidEvent("", "has no eventSource, eventName or s3.bucket.name", index)
    content = hashlib.sha256(orjson.dumps([_scalar(record, pointer) for pointer in _OBJECT])).hexdigest()[:32]
    request = follow("/responseElements/x-amz-request-id", record)
    return Event.of(
        {
            "id": f"{request}.{content}" if is_text(request) else f"{_text(record, '/eventTime')}.{content}",
            "source": as_uri(".".join(filter(None, (str(source), _text(record, "/awsRegion"), str(bucket))))),
            "type": f"{_TYPE}{name}",
            "subject": unquote_plus(_text(record, "/s3/object/key") or ""),
            "time": _text(record, "/eventTime"),
        },
        record,
    )


def _test_event(message: Message, document: Any) -> Event:
    return Event.of(
        {
            "id": _text(document, "/RequestId") or message.id,
            "source": as_uri(f"aws:s3.{_text(document, '/Bucket')}"),
            "type": f"{_TYPE}{_TEST.partition(':')[2]}",
            "time": _text(document, "/Time"),
        },
        document,
    )


def _scalar(record: Any, pointer: str) -> str | int | float | None:
    """Return the scalar at a pointer; None also for an object or an array, which S3 does not send there."""
    value = follow(pointer, record)
    return value if isinstance(value, str | int | float) else None


def _text(document: Any, pointer: str) -> str | None:
    value = follow(pointer, document)
    return value if isinstance(value, str) and value else None
