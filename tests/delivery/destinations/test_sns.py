"""Topics of SNS, standard and FIFO, read by a queue that is subscribed, on a server that checks signatures."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from delivery.destinations.sns import MAX_BYTES, SnsClient
from delivery.models import Attempt
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from tests.delivery.destinations.aws import AwsServer, ReadQueue, aws_server
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback

_numbers = count(1)


class Topic(Place):
    too_large = MAX_BYTES + 1

    def __init__(self, aws: AwsServer, suffix: str = "") -> None:
        self.aws, self.suffix = aws, suffix
        sns, self.queue = aws.client("sns"), ReadQueue(aws, suffix)
        attributes = {"FifoTopic": "true"} if suffix else {}
        self.arn = sns.create_topic(Name=f"t{next(_numbers)}{suffix}", Attributes=attributes)["TopicArn"]
        sns.subscribe(
            TopicArn=self.arn, Protocol="sqs", Endpoint=self.queue.arn, Attributes={"RawMessageDelivery": "true"}
        )
        super().__init__("sns", {"topic_arn": self.arn, "endpoint_url": aws.url}, aws.credentials, (aws.secret,))
        self.stores_repeats_once, self.shown_at = bool(suffix), aws.url

    def received(self) -> list[Received]:
        return self.queue.received()

    def elsewhere(self) -> "Topic":
        return Topic(self.aws, self.suffix)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "secret_access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        arn = f"{self.arn.removesuffix(self.suffix)}-not{self.suffix}"
        return {**self.settings, "topic_arn": arn}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "endpoint_url": self.aws.at_port(self.aws.url, port)}, self.credentials


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    with aws_server() as it:
        yield it


class TestStandardTopic(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Topic:
        return Topic(aws)


class TestFifoTopic(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Topic:
        return Topic(aws, ".fifo")

    @pytest.mark.django_db(transaction=True)
    def test_group_is_the_order_key(self, place: Topic) -> None:
        endpoint = endpoint_of(place, ordering="subject")
        publish_to(endpoint, 1, subject="c1")
        publish_to(endpoint, 2, subject="c2")
        run_drain()
        assert {it.key for it in place.received()} == {"c1", "c2"}


@pytest.mark.django_db(transaction=True)
def test_messages_that_are_due_together_share_a_request(aws: AwsServer) -> None:
    topic = Topic(aws)
    publish_to(endpoint_of(topic), *range(10))
    run_drain()
    assert Attempt.objects.values("started_at").distinct().count() == 1
    assert len(topic.received()) == 10


@pytest.mark.django_db(transaction=True)
def test_text_arrives_as_it_is(aws: AwsServer) -> None:
    topic = Topic(aws)
    publish_to(endpoint_of(topic), "a&b=c+d %41 \U0001f600 <é>")
    run_drain()
    (received,) = topic.received()
    assert '"a&b=c+d %41 \U0001f600 <é>"' in received.body.decode()


MESSAGES = [Message(f"evt_{n}", b"{}", "application/json", True, None, 1, "v1,x") for n in range(3)]
ARN = "arn:aws:sns:eu-central-1:123456789012:orders"
CREDENTIALS = {"access_key_id": "AKIA", "secret_access_key": "s"}
PARTLY = b"""<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>
<Failed><member><Id>1</Id><Code>ThrottledException</Code><Message>Rate &lt; exceeded</Message>
<SenderFault>false</SenderFault></member></Failed>
<Successful><member><Id>0</Id><MessageId>m-0</MessageId></member></Successful>
</PublishBatchResult></PublishBatchResponse>"""
ERROR = b"<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>why</Message></Error></ErrorResponse>"


@pytest.fixture
def client() -> SnsClient:
    return SnsClient(Connection("ep_1", 1, {"topic_arn": ARN}, CREDENTIALS))


class TestVerdicts:
    def test_entries_of_one_response_are_settled_by_their_own_result(self, client: SnsClient) -> None:
        found = client.verdicts(Outcome(1.0, 5, 200, None, PARTLY), MESSAGES)
        assert [it.failure for it in found] == [None, Failure.THROTTLED, Failure.PROTOCOL]
        assert found[0].response == b"m-0"
        assert found[1].response == b"ThrottledException: Rate < exceeded"
        assert found[1].asked_pause

    @pytest.mark.parametrize(
        ("status", "code", "failure"),
        [
            (403, b"AuthorizationError", Failure.ACCESS_DENIED),
            (403, b"InvalidClientTokenId", Failure.ACCESS_DENIED),
            (404, b"NotFound", Failure.NOT_FOUND),
            (400, b"Throttled", Failure.THROTTLED),
            (400, b"InvalidParameter", Failure.REFUSED),
            (500, b"InternalError", Failure.UNAVAILABLE),
        ],
    )
    def test_error_of_the_request_is_that_of_every_message(
        self, client: SnsClient, status: int, code: bytes, failure: Failure
    ) -> None:
        found = client.verdicts(Outcome(1.0, 5, status, Failure.STATUS, ERROR % code), MESSAGES)
        assert {it.failure for it in found} == {failure}

    def test_nonsense_with_status_200_settles_nothing(self, client: SnsClient) -> None:
        found = client.verdicts(Outcome(1.0, 5, 200, None, b"<member><Id>0</member><member>\xff"), MESSAGES)
        assert {it.failure for it in found} == {Failure.PROTOCOL}


def test_request_goes_to_the_region_of_the_topic(client: SnsClient) -> None:
    request = client.compose(MESSAGES[:1], 1_700_000_000, "")
    assert request.url == "https://sns.eu-central-1.amazonaws.com/"
    assert "/eu-central-1/sns/aws4_request" in request.headers["authorization"]


@pytest.mark.parametrize("arn", ["orders", "arn:aws:sqs:eu-central-1:123456789012:orders", ARN + "\n", ARN + ":1"])
def test_what_is_no_arn_of_a_topic_is_refused(arn: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("sns", Connection("", 1, {}), {"topic_arn": arn}, CREDENTIALS)
    assert [*caught.value.problems] == ["settings.topic_arn"]
