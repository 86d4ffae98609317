"""Buckets of S3, on a server that checks signatures and policies."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

import orjson
import pytest

from delivery.destinations.s3 import S3LinesClient, day_of, line_of
from delivery.models import Attempt, Event
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection, find_kind
from tests.delivery.destinations.aws import REGION, AwsServer, aws_server
from tests.delivery.destinations.battery import Battery, Place, Received, endpoint_of, publish_to, run_drain
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from webhooks.wire.ids import public

_numbers = count(1)


class Bucket(Place):
    stores_repeats_once = True

    def __init__(self, aws: AwsServer, **settings: str) -> None:
        self.aws, self.s3 = aws, aws.client("s3")
        self.bucket = f"orders-{next(_numbers)}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        given = {"bucket": self.bucket, "region": REGION, "endpoint_url": aws.url, "prefix": "shop 1/é+", **settings}
        super().__init__("s3", given, aws.credentials, (aws.secret,))
        self.shown_at = aws.url

    def objects(self) -> dict[str, Any]:
        found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return {it["Key"]: self.s3.get_object(Bucket=self.bucket, Key=it["Key"]) for it in found}

    def received(self) -> list[Received]:
        return [
            Received(it["Body"].read(), {**it["Metadata"], "content-type": it["ContentType"]})
            for _, it in sorted(self.objects().items())
        ]

    def elsewhere(self) -> "Bucket":
        return Bucket(self.aws)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {**self.credentials, "secret_access_key": "wrong"}

    def missing(self) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "bucket": "not-there"}, self.credentials

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "endpoint_url": self.aws.at_port(self.aws.url, port)}, self.credentials


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsServer]:
    with aws_server() as it:
        yield it


class TestS3(Battery):
    """Run what every kind promises."""

    @pytest.fixture
    def place(self, aws: AwsServer) -> Bucket:
        return Bucket(aws)

    def test_key_has_prefix_day_and_id_of_the_event(self, place: Bucket) -> None:
        (event_id,) = publish_to(endpoint_of(place), 1)
        run_drain()
        day = f"{Event.objects.get().created_at:%Y/%m/%d}"
        ((key, found),) = place.objects().items()
        assert key == f"shop 1/é+{day}/{event_id}.json"
        assert found["ContentType"] == "application/cloudevents+json"


@pytest.mark.django_db(transaction=True)
def test_events_that_are_due_together_are_the_lines_of_one_object(aws: AwsServer) -> None:
    bucket = Bucket(aws, form="lines", prefix="")
    publish_to(endpoint_of(bucket), *range(50))
    run_drain()
    ((key, found),) = bucket.objects().items()
    assert key.endswith(".jsonl")
    assert sorted(orjson.loads(line)["data"] for line in found["Body"].read().splitlines()) == [*range(50)]
    assert Attempt.objects.filter(error="").count() == 50


CREDENTIALS = {"access_key_id": "AKIA", "secret_access_key": "s"}


def message(body: bytes = b"{}", message_id: str = "evt_1", *, is_event: bool = True) -> Message:
    return Message(message_id, body, "application/json", is_event, None, 1, "v1,x")


def client(**settings: str) -> S3LinesClient:
    given = {"bucket": "orders", "region": "eu-west-1", "form": "object", **settings}
    found = find_kind("s3").client(Connection("ep_1", 1, given, CREDENTIALS))  # type: ignore[attr-defined]
    assert isinstance(found, S3LinesClient) == (settings.get("form") == "lines")
    return found  # type: ignore[no-any-return]


class TestRequest:
    def test_bucket_is_part_of_the_host_name(self) -> None:
        request = client().compose([message()], 1_700_000_000, "")
        assert (request.method, request.url) == ("PUT", "https://orders.s3.eu-west-1.amazonaws.com/evt_1.json")

    def test_bucket_with_dots_is_part_of_the_path(self) -> None:
        request = client(bucket="orders.example.com", prefix="a/").compose([message()], 1_700_000_000, "")
        assert request.url == "https://s3.eu-west-1.amazonaws.com/orders.example.com/a/evt_1.json"

    def test_lines_of_the_same_events_have_the_same_key(self) -> None:
        messages = [message(message_id=f"evt_{n}") for n in range(3)]
        first, again, other = (
            client(form="lines").compose(it, now, "").url
            for it, now in ((messages, 1_700_000_000), (messages, 1_800_000_000), (messages[:2], 1_700_000_000))
        )
        assert first == again != other

    @pytest.mark.parametrize(
        ("body", "is_event", "line"),
        [
            (b'{"a":\r\n 1}', True, b'{"a":   1}'),
            (b'{"a":\n1}', False, b'{"a": 1}'),
            (b"two\nlines", False, b'"two\\nlines"'),
        ],
    )
    def test_event_is_one_line(self, body: bytes, is_event: bool, line: bytes) -> None:
        assert line_of(message(body, is_event=is_event)) == line

    def test_day_is_that_of_the_id(self) -> None:
        from_id = public("evt", UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
        assert day_of(message(message_id=from_id)) == "2023/06/30/"


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (404, b"NoSuchBucket", Failure.NOT_FOUND),
        (403, b"AccessDenied", Failure.ACCESS_DENIED),
        (403, b"SignatureDoesNotMatch", Failure.ACCESS_DENIED),
        (503, b"SlowDown", Failure.THROTTLED),
        (500, b"InternalError", Failure.UNAVAILABLE),
        (301, b"PermanentRedirect", Failure.REFUSED),
    ],
)
def test_error_of_s3_says_what_to_do(status: int, code: bytes, failure: Failure) -> None:
    outcome = Outcome(1.0, 5, status, Failure.STATUS, b"<Error><Code>%s</Code></Error>" % code)
    assert [it.failure for it in client().verdicts(outcome, [message()])] == [failure]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"bucket": "Orders"}, "settings.bucket"),
        ({"bucket": "orders", "prefix": "/a/"}, "settings.prefix"),
        ({"bucket": "orders", "prefix": "a/../"}, "settings.prefix"),
    ],
)
def test_settings_that_cannot_work_are_named(given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("s3", Connection("", 1, {}), {**given, "region": "eu-west-1"}, CREDENTIALS)
    assert [*caught.value.problems] == [field]
