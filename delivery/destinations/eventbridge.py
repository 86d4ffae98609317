"""Send to event buses of Amazon EventBridge: PutEvents of the JSON protocol, ten events a request, settled one by one.

An event becomes an entry: ``type`` is DetailType, ``source`` is Source, ``time`` is Time, an attribute ``resources``
(separated by commas) is Resources, and the data is Detail, or the whole CloudEvent is. This is the inverse of
``webhooks.wire.eventbridge``. EventBridge gives each entry an id of its own and does not deduplicate.

API reference: Amazon EventBridge, PutEvents, DescribeEventBus; user guide, "Calculating PutEvents event entry size".
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from delivery.transports.https import aws
from delivery.transports.https.api_responses import parsed
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting

MAX_REQUEST_BYTES = 256 * 1024  # of the entries that share a request
MAX_BYTES = 1024 * 1024  # of one entry; beyond it no quota of an account reaches
MAX_ENTRIES = 10
TIME_BYTES = 14  # that a time counts, however it is written
MAX_DETAIL_TYPE = 128  # characters
DATA, EVENT = "data", "event"
_ARN = re.compile(r"arn:aws[a-z-]*:events:([a-z0-9-]{1,64}):[0-9]{12}:event-bus/[/.A-Za-z0-9_-]{1,256}")
_BUS = re.compile(r"[/.A-Za-z0-9_-]{1,256}")


class EventBridge(HttpsKind):
    """Event buses of Amazon EventBridge."""

    name = "eventbridge"
    label = "Amazon EventBridge"
    description = (
        "An event becomes an event of a bus, with its type as detail-type, its source and its data. At least once."
    )
    settings = (
        Setting(
            "event_bus",
            "Event bus",
            "Name or ARN of the event bus.",
            is_required=True,
            max_length=512,
            example="orders",
        ),
        Setting(
            "region", "Region", "Region of the event bus. Default: that in the ARN.", max_length=64, example="eu-west-1"
        ),
        Setting(
            "detail",
            "Detail",
            "What the detail is: the data of the event, or the whole CloudEvent, which has the id to deduplicate by.",
            default=DATA,
            choices=(DATA, EVENT),
        ),
        Setting(
            "source",
            "Source",
            "Source of all events on the bus. Default: the source of each event.",
            max_length=256,
            example="com.example.shop",
        ),
        Setting(
            "detail_type",
            "Detail type",
            "Detail type of all events on the bus. Default: the type of each event.",
            max_length=MAX_DETAIL_TYPE,
        ),
        aws.ENDPOINT_URL,
        *aws.CREDENTIALS,
    )

    def check(self, connection: Connection) -> None:
        bus = connection.settings["event_bus"]
        if not _ARN.fullmatch(bus) and not _BUS.fullmatch(bus):
            raise InvalidSettings({"settings.event_bus": "Must be the name or the ARN of an event bus."})
        if not _region(connection.settings):
            raise InvalidSettings({"settings.region": "Is required: the event bus is not given by its ARN."})
        aws.check_aws(_located(connection))

    def address(self, settings: Mapping[str, Any]) -> str:
        bus = str(settings["event_bus"])
        return bus if _ARN.fullmatch(bus) else f"eventbridge://{_region(settings)}/{bus}"

    def test(self, connection: Connection) -> str:
        content = {"Name": connection.settings["event_bus"]}
        request = _api(connection).json_request("AWSEvents.DescribeEventBus", content, time.time(), "1.1")
        aws.test_call(connection, request, "settings.event_bus")
        return "The event bus exists."

    def client(self, connection: Connection) -> HttpsClient:
        return EventBridgeClient(connection)


class EventBridgeClient(HttpsClient):
    """Write and read PutEvents for one event bus."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_REQUEST_BYTES
    max_response = 64 * 1024

    def __init__(self, connection: Connection) -> None:
        self._settings = connection.settings
        self._api = _api(connection)

    def size_of(self, message: Message) -> int:
        entry = self._entry(message)
        texts = (entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", ()))
        size = sum(len(text.encode("utf-8", "replace")) for text in texts) + (TIME_BYTES if "Time" in entry else 0)
        if size > MAX_BYTES:
            raise SendFailed(Failure.TOO_LARGE, f"The entry has {size} bytes; EventBridge accepts {MAX_BYTES}.")
        return size

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        content = {"Entries": [self._entry(message) for message in messages]}
        return self._api.json_request("AWSEvents.PutEvents", content, now, "1.1")

    def _entry(self, message: Message) -> dict[str, Any]:
        attributes = message.event_attributes
        source = self._settings.get("source") or attributes.get("source")
        detail_type = self._settings.get("detail_type") or attributes.get("type")
        if not source or not detail_type:
            text = "The rendered body is no CloudEvent: set settings.source and settings.detail_type."
            raise SendFailed(Failure.REFUSED, text)
        if len(detail_type) > MAX_DETAIL_TYPE:
            text = f"The type has more than {MAX_DETAIL_TYPE} characters: set settings.detail_type."
            raise SendFailed(Failure.REFUSED, text)
        entry: dict[str, Any] = {
            "EventBusName": self._settings["event_bus"],
            "Source": source,
            "DetailType": detail_type,
            "Detail": self._detail(message),
        }
        if moment := attributes.get("time"):
            entry["Time"] = int(datetime.fromisoformat(moment).timestamp())  # as this protocol has times
        if resources := [it.strip() for it in attributes.get("resources", "").split(",") if it.strip()]:
            entry["Resources"] = resources
        return entry

    def _detail(self, message: Message) -> str:
        """Return the detail, which is an object: its JSON text is that of the event, byte for byte."""
        event, content = message.event, message.body
        if event is None:
            text = content.decode("utf-8", "replace")
            if is_object(text):
                return text
            raise SendFailed(Failure.REFUSED, "The rendered body must be a JSON object to be a detail.")
        if self._settings["detail"] == DATA:
            content = (event.data if event.is_json else None) or b""
            if not content.lstrip().startswith(b"{"):
                text = "The data of the event must be a JSON object to be a detail: set settings.detail to event."
                raise SendFailed(Failure.REFUSED, text)
        return content.decode("utf-8", "replace")

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if (whole := aws.whole_failure(outcome, len(messages))) is not None:
            return whole
        entries = parsed(outcome.response).get("Entries")
        if not isinstance(entries, list) or len(entries) != len(messages):
            return [outcome._replace(failure=Failure.PROTOCOL)] * len(messages)
        return [_verdict(outcome, entry) for entry in entries]


def _verdict(outcome: Outcome, entry: Any) -> Outcome:
    """Return the outcome of one entry; the entries of a response are in the order of the request."""
    found = entry if isinstance(entry, dict) else {}
    if code := found.get("ErrorCode"):
        return aws.failed(outcome, str(code), str(found.get("ErrorMessage", "")), 400)
    if event_id := found.get("EventId"):
        return outcome._replace(response=str(event_id).encode())
    return outcome._replace(failure=Failure.PROTOCOL)


def is_object(text: str) -> bool:
    """Return whether a text is the JSON of an object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _region(settings: Mapping[str, Any]) -> str:
    found = _ARN.fullmatch(settings["event_bus"])
    return settings.get("region") or (found[1] if found else "")


def _located(connection: Connection) -> Connection:
    return aws.in_region(connection, _region(connection.settings))


def _api(connection: Connection) -> aws.AwsApi:
    located = _located(connection)
    return aws.AwsApi(located, "events", aws.api_url(located, "events"))
