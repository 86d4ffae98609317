"""Queues of SQS, standard and FIFO, on a server that checks signatures and policies."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from delivery.destinations.sqs import MAX_BYTES, SqsClient
from delivery.models import Attempt, Delivery
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.aws import REGION, AwsServer, ReadQueue, aws_server
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback


class Queue(Place):
    too_large = MAX_BYTES + 1

    def __init__(self, aws: AwsServer, suffix: str = "") -> None:
        self.aws, self.suffix = aws, suffix
        self.queue = ReadQueue(aws, suffix)
        self.url = self.queue.url
        super().__init__("sqs", {"queue_url": self.url, "region": REGION}, aws.credentials, (aws.secret,))
        self.stores_repeats_once = bool(suffix)

    def received(self) -> list[Received]:
        return self.queue.received()

    def elsewhere(self) -> "Queue":
        return Queue(self.aws, self.suffix)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "secret_access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        url = f"{self.url.removesuffix(self.suffix)}-not{self.suffix}"
        return {**self.settings, "queue_url": url}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "queue_url": self.aws.at_port(self.url, port)}, self.credentials


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    with aws_server() as it:
        yield it


class TestStandardQueue(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Queue:
        return Queue(aws)


class TestFifoQueue(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Queue:
        return Queue(aws, ".fifo")

    @pytest.mark.django_db(transaction=True)
    def test_group_is_the_order_key(self, place: Queue) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        publish_to(endpoint, 1, subject="customer 1")
        publish_to(endpoint, 2, subject="c2")
        run_drain()
        assert {it.key for it in place.received()} >= {"c2"}
        assert len({it.key for it in place.received()}) == 2

    @pytest.mark.django_db(transaction=True)
    def test_without_order_each_message_has_a_group_of_its_own(self, place: Queue) -> None:
        publish_to(endpoint_of(place), 1, 2)
        run_drain()
        assert len({it.key for it in place.received()}) == 2


@pytest.mark.django_db(transaction=True)
def test_messages_that_are_due_together_share_a_request(aws: AwsServer) -> None:
    publish_to(endpoint_of(Queue(aws)), *range(10))
    run_drain()
    assert Attempt.objects.values("started_at").distinct().count() == 1
    assert Attempt.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_characters_that_sqs_refuses_reject_only_their_message(aws: AwsServer) -> None:
    endpoint = endpoint_of(Queue(aws))
    publish_to(endpoint, "\uffff", "good")
    run_drain()
    assert sorted(Delivery.objects.values_list("last_error", flat=True)) == ["", "refused"]


MESSAGES = [Message(f"evt_{n}", b"{}", "application/json", True, None, 1, "v1,x") for n in range(3)]


@pytest.fixture
def client() -> SqsClient:
    settings = {"queue_url": "https://sqs.eu-central-1.amazonaws.com/1/q"}
    return SqsClient(Connection("ep_1", 1, settings, {"access_key_id": "AKIA", "secret_access_key": "s"}))


def responded(status: int, **document: Any) -> Outcome:
    failure = None if status < 300 else Failure.STATUS
    return Outcome(1.0, 5, status, failure, orjson.dumps(document))


class TestVerdicts:
    def test_entries_of_one_response_are_settled_by_their_own_result(self, client: SqsClient) -> None:
        found = client.verdicts(
            responded(
                200,
                Successful=[{"Id": "0", "MessageId": "m-0"}],
                Failed=[{"Id": "1", "Code": "ThrottlingException", "SenderFault": False, "Message": "slow"}],
            ),
            MESSAGES,
        )
        assert [it.failure for it in found] == [None, Failure.THROTTLED, Failure.PROTOCOL]
        assert found[0].response == b"m-0"
        assert found[1].overloaded
        assert found[1].asked_pause

    @pytest.mark.parametrize(
        ("status", "code", "failure"),
        [
            (403, "com.amazonaws.sqs#AccessDenied", Failure.ACCESS_DENIED),
            (400, "com.amazonaws.sqs#QueueDoesNotExist", Failure.NOT_FOUND),
            (400, "com.amazonaws.sqs#ThrottlingException", Failure.THROTTLED),
            (400, "com.amazonaws.sqs#BatchRequestTooLong", Failure.REFUSED),
            (503, "ServiceUnavailable", Failure.UNAVAILABLE),
        ],
    )
    def test_error_of_the_request_is_that_of_every_message(
        self, client: SqsClient, status: int, code: str, failure: Failure
    ) -> None:
        found = client.verdicts(responded(status, __type=code, message="why"), MESSAGES)
        assert {it.failure for it in found} == {failure}
        assert all(it.rejected == (failure not in (Failure.THROTTLED, Failure.UNAVAILABLE)) for it in found)


class TestSettings:
    def checked(self, **settings: Any) -> dict[str, Any]:
        credentials = {"access_key_id": "AKIA", "secret_access_key": "s"}
        return dict(checked_connection("sqs", Connection("", 1, {}), settings, credentials)[1].settings)

    def test_region_follows_from_the_url(self) -> None:
        assert self.checked(queue_url="https://sqs.eu-central-1.amazonaws.com/1/q")

    def test_region_is_required_for_another_url(self) -> None:
        with pytest.raises(InvalidSettings) as caught:
            self.checked(queue_url="https://queues.example.com/1/q")
        assert [*caught.value.problems] == ["settings.region"]

    def test_missing_settings_are_named_together(self) -> None:
        with pytest.raises(InvalidSettings) as caught:
            checked_connection("sqs", Connection("", 1, {}), {"queue": "x"}, {})
        assert {*caught.value.problems} >= {"settings.queue", "settings.queue_url", "credentials.access_key_id"}
