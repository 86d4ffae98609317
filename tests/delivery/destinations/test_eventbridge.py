"""Event buses of EventBridge, read by a queue that is the target of a rule, on a server that checks signatures."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from delivery.destinations.eventbridge import MAX_BYTES, EventBridgeClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.endpoints.endpoints import create_endpoint
from subscriptions.errors import InvalidParts
from tests.delivery.destinations.aws import REGION, AwsServer, ReadQueue, aws_server
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.factories import make_tenant

_numbers = count(1)


class Bus(Place):
    has_attributes = False
    too_large = MAX_BYTES + 1

    def __init__(self, aws: AwsServer, detail: str = "event") -> None:
        self.aws, self.queue = aws, ReadQueue(aws)
        events, name = aws.client("events"), f"bus{next(_numbers)}"
        events.create_event_bus(Name=name)
        pattern = json.dumps({"account": ["123456789012"]})
        events.put_rule(Name="all", EventBusName=name, EventPattern=pattern)
        events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "queue", "Arn": self.queue.arn}])
        settings = {"event_bus": name, "region": REGION, "detail": detail, "endpoint_url": aws.url}
        super().__init__("eventbridge", settings, aws.credentials, (aws.secret,))
        self.shown_at = aws.url

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(it.body) for it in self.queue.received()]

    def received(self) -> list[Received]:
        return [Received(orjson.dumps(it["detail"])) for it in self.events()]

    def elsewhere(self) -> "Bus":
        return Bus(self.aws)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "secret_access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "event_bus": "not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "endpoint_url": self.aws.at_port(self.aws.url, port)}, self.credentials


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    with aws_server() as it:
        yield it


class TestEventBridge(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Bus:
        return Bus(aws)


@pytest.mark.django_db(transaction=True)
def test_event_has_type_source_time_resources_and_data_in_the_terms_of_the_bus(aws: AwsServer) -> None:
    bus = Bus(aws, detail="data")
    extensions = {"resources": "arn:a, arn:b"}
    publish_to(endpoint_of(bus), {"total": 12.50}, source="/shop", time="2026-01-02T03:04:05Z", extensions=extensions)
    run_drain()
    (event,) = bus.events()
    assert event["detail-type"] == "order.created"
    assert event["source"] == "/shop"
    assert event["time"] == "2026-01-02T03:04:05Z"
    assert event["resources"] == ["arn:a", "arn:b"]
    assert event["detail"] == {"total": 12.5}


@pytest.mark.django_db(transaction=True)
def test_event_that_is_no_detail_is_refused_and_the_others_of_its_request_arrive(aws: AwsServer) -> None:
    bus = Bus(aws, detail="data")
    publish_to(endpoint_of(bus), "text", {"n": 1}, {"n": 2})
    run_drain()
    assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", "", Failure.REFUSED]
    assert len(bus.events()) == 2


def test_bus_that_does_not_exist_is_found_by_the_test_of_settings(aws: AwsServer, transactional_db: None) -> None:
    settings = {**Bus(aws).settings, "event_bus": "not-there"}
    with pytest.raises(InvalidParts) as caught:
        create_endpoint(make_tenant(), kind="eventbridge", settings=settings, credentials=aws.credentials)
    assert caught.value.field == "settings"


BODY = b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","data":{"total": 12.50}}'
CREDENTIALS = {"access_key_id": "AKIA", "secret_access_key": "s"}


def message(body: bytes = BODY) -> Message:
    return Message("evt_1", body, "application/json", body is BODY, None, 1, "v1,x")


def client(**settings: Any) -> EventBridgeClient:
    given = {"event_bus": "orders", "region": "eu-west-1", "detail": "data", **settings}
    return EventBridgeClient(Connection("ep_1", 1, given, CREDENTIALS))


def entry(it: Message, **settings: Any) -> dict[str, Any]:
    content = orjson.loads(client(**settings).compose([it], 1_700_000_000, "").body)
    return dict(content["Entries"][0])


class TestEntry:
    def test_detail_is_the_text_of_the_data_byte_for_byte(self) -> None:
        assert entry(message())["Detail"] == '{"total": 12.50}'

    def test_detail_is_the_whole_event_if_the_setting_says_so(self) -> None:
        assert entry(message(), detail="event")["Detail"] == BODY.decode()

    def test_settings_take_the_place_of_source_and_type(self) -> None:
        found = entry(message(), source="com.example", detail_type="order")
        assert (found["Source"], found["DetailType"]) == ("com.example", "order")

    def test_rendered_object_is_the_detail_and_needs_source_and_detail_type(self) -> None:
        rendered = message(b'{"text": "paid"}')
        assert entry(rendered, source="a", detail_type="b")["Detail"] == '{"text": "paid"}'
        with pytest.raises(SendFailed, match=r"settings\.source"):
            client().size_of(rendered)

    @pytest.mark.parametrize("body", [b"paid", b"[1]", b"[" * 100_000])
    def test_rendered_body_that_is_no_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(SendFailed, match="JSON object"):
            client(source="a", detail_type="b").size_of(message(body))

    def test_long_type_is_refused_with_the_setting_that_replaces_it(self) -> None:
        with pytest.raises(SendFailed, match=r"settings\.detail_type"):
            client().size_of(message(BODY.replace(b"order.paid", b"o" * 129)))


class TestVerdicts:
    def responded(self, *entries: Any) -> Outcome:
        return Outcome(1.0, 5, 200, None, orjson.dumps({"FailedEntryCount": 1, "Entries": entries}))

    def test_entries_are_settled_one_by_one(self) -> None:
        failed = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}
        internal = {"ErrorCode": "InternalFailure", "ErrorMessage": "sorry"}
        found = client().verdicts(self.responded({"EventId": "e-0"}, failed, internal, 5), [message()] * 4)
        expected = [None, Failure.THROTTLED, Failure.UNAVAILABLE, Failure.PROTOCOL]
        assert [it.failure for it in found] == expected
        assert found[0].response == b"e-0"
        assert found[1].asked_pause

    @pytest.mark.parametrize("response", [b"", b"[]", b'{"Entries": 5}', b'{"Entries": [{"EventId": "1"}]}'])
    def test_response_without_a_result_for_each_entry_settles_nothing(self, response: bytes) -> None:
        found = client().verdicts(Outcome(1.0, 5, 200, None, response), [message()] * 2)
        assert [it.failure for it in found] == [Failure.PROTOCOL] * 2

    def test_denied_request_is_denied_for_each_entry(self) -> None:
        outcome = Outcome(1.0, 5, 400, Failure.STATUS, b'{"__type":"AccessDeniedException","message":"no"}')
        assert [it.failure for it in client().verdicts(outcome, [message()] * 2)] == [Failure.ACCESS_DENIED] * 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"event_bus": "orders"}, "settings.region"),
        ({"event_bus": "an bus", "region": "eu-west-1"}, "settings.event_bus"),
        ({"event_bus": "orders", "region": "eu-west-1", "detail": "all"}, "settings.detail"),
    ],
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("eventbridge", Connection("", 1, {}), given, CREDENTIALS)
    assert [*caught.value.problems] == [field]


def test_region_follows_from_the_arn() -> None:
    arn = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"
    request = client(event_bus=arn, region=None).compose([message()], 1_700_000_000, "")
    assert request.url == "https://events.eu-west-1.amazonaws.com/"
