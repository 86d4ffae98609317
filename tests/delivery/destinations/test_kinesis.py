"""Streams of Kinesis, on a server that checks signatures and policies."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from delivery.destinations.kinesis import MAX_BYTES, MAX_REQUEST_BYTES, MAX_USUAL_BYTES, KinesisClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.aws import REGION, AwsServer, aws_server
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback

_numbers = count(1)


class Stream(Place):
    has_attributes = False

    def __init__(self, aws: AwsServer) -> None:
        self.aws, self.kinesis = aws, aws.client("kinesis")
        self.stream = f"orders-{next(_numbers)}"
        self.kinesis.create_stream(StreamName=self.stream, ShardCount=2)
        settings = {"stream": self.stream, "region": REGION, "endpoint_url": aws.url}
        super().__init__("kinesis", settings, aws.credentials, (aws.secret,))
        self.shown_at = aws.url

    def shards(self) -> list[list[Received]]:
        found = []
        for shard in self.kinesis.list_shards(StreamName=self.stream)["Shards"]:
            iterator = self.kinesis.get_shard_iterator(
                StreamName=self.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            records = self.kinesis.get_records(ShardIterator=iterator)["Records"]
            found.append([Received(it["Data"], key=it["PartitionKey"]) for it in records])
        return found

    def received(self) -> list[Received]:
        return [it for shard in self.shards() for it in shard]

    def elsewhere(self) -> "Stream":
        return Stream(self.aws)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "secret_access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "stream": "not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "endpoint_url": self.aws.at_port(self.aws.url, port)}, self.credentials


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    with aws_server() as it:
        yield it


class TestKinesis(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Stream:
        return Stream(aws)

    def test_partition_key_is_the_order_key(self, place: Stream) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        publish_to(endpoint, 1, 2, subject="customer 1")
        run_drain()
        assert {it.key for it in place.received()} == {"customer 1"}

    def test_records_that_are_due_together_share_a_request_and_are_spread_over_the_shards(self, place: Stream) -> None:
        publish_to(endpoint_of(place), *range(40))
        run_drain()
        assert Attempt.objects.values("started_at").distinct().count() == 1
        assert all(place.shards())

    def test_stream_by_its_arn_needs_no_region(self, place: Stream) -> None:
        arn = place.kinesis.describe_stream_summary(StreamName=place.stream)["StreamDescriptionSummary"]["StreamARN"]
        settings = {"stream": arn, "endpoint_url": place.aws.url}
        publish_to(endpoint_of(place, (settings, place.credentials)), 1)
        run_drain()
        assert len(place.received()) == 1


CREDENTIALS = {"access_key_id": "AKIA", "secret_access_key": "s"}


def message(body: bytes = b"{}", key: str | None = None) -> Message:
    return Message("evt_1", body, "application/json", True, key, 1, "v1,x")


@pytest.fixture
def client() -> KinesisClient:
    return KinesisClient(Connection("ep_1", 1, {"stream": "orders", "region": "eu-west-1"}, CREDENTIALS))


class TestVerdicts:
    def test_records_are_settled_one_by_one(self, client: KinesisClient) -> None:
        throttled = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"}
        internal = {"ErrorCode": "InternalFailure", "ErrorMessage": "sorry"}
        records = [{"SequenceNumber": "5", "ShardId": "shard-0"}, throttled, internal, None]
        outcome = Outcome(1.0, 5, 200, None, orjson.dumps({"FailedRecordCount": 2, "Records": records}))
        found = client.verdicts(outcome, [message()] * 4)
        expected = [None, Failure.THROTTLED, Failure.UNAVAILABLE, Failure.PROTOCOL]
        assert [it.failure for it in found] == expected
        assert found[0].response == b"shard-0 5"
        assert found[1].asked_pause

    @pytest.mark.parametrize("response", [b"", b"[]", b'{"Records": [{"SequenceNumber": "1"}]}'])
    def test_response_without_a_result_for_each_record_settles_nothing(
        self, client: KinesisClient, response: bytes
    ) -> None:
        found = client.verdicts(Outcome(1.0, 5, 200, None, response), [message()] * 2)
        assert [it.failure for it in found] == [Failure.PROTOCOL] * 2

    def test_key_management_that_denies_is_access_denied(self, client: KinesisClient) -> None:
        outcome = Outcome(1.0, 5, 400, Failure.STATUS, b'{"__type":"KMSAccessDeniedException","message":"no"}')
        assert [it.failure for it in client.verdicts(outcome, [message()])] == [Failure.ACCESS_DENIED]


def test_record_that_few_streams_accept_has_a_request_of_its_own(client: KinesisClient) -> None:
    assert client.size_of(message(b"x" * MAX_USUAL_BYTES)) == MAX_REQUEST_BYTES
    with pytest.raises(SendFailed, match="Kinesis accepts"):
        client.size_of(message(b"x" * MAX_BYTES))


@pytest.mark.parametrize(("key", "expected"), [(None, "evt_1"), ("", "default"), ("é" * 256, "é" * 256)])
def test_partition_key_follows_from_the_order_key(client: KinesisClient, key: str | None, expected: str) -> None:
    (record,) = orjson.loads(client.compose([message(key=key)], 1_700_000_000, "").body)["Records"]
    assert record["PartitionKey"] == expected


def test_partition_key_that_is_too_long_is_its_digest(client: KinesisClient) -> None:
    (record,) = orjson.loads(client.compose([message(key="k" * 257)], 1_700_000_000, "").body)["Records"]
    assert len(record["PartitionKey"]) == 64


@pytest.mark.parametrize(
    ("given", "field"), [({"stream": "orders"}, "settings.region"), ({"stream": "a b"}, "settings.stream")]
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("kinesis", Connection("", 1, {}), given, CREDENTIALS)
    assert [*caught.value.problems] == [field]
