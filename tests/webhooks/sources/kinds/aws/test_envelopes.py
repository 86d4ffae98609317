"""Test what SNS, S3 and EventBridge put into a queue: patterns of handlers match the events inside."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from tests.webhooks.handlers_of_tests import succeed
from tests.webhooks.sources.kinds.aws.conftest import CREDENTIALS, REGION
from tests.webhooks.sources.kinds.reading import read_source, read_until
from webhooks.models import Receipt
from webhooks.processing.process import process_due

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("reading"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]
Receive = Callable[..., dict[str, set[str]]]


@pytest.fixture
def queue(aws: Any, name: str) -> tuple[str, str]:
    """Return the URL and the ARN of a new queue."""
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:123456789012:{name}"


@pytest.fixture
def receive(queue: tuple[str, str], settings: Any) -> Receive:
    """Return a function that reads so many messages, and returns which handlers matched by message body."""

    def read(number: int, **patterns: Any) -> dict[str, set[str]]:
        settings.WAYPOST_HANDLERS = dict.fromkeys(patterns, f"{succeed.__module__}.{succeed.__qualname__}")
        handlers = [{"handler": handler, "pattern": pattern} for handler, pattern in patterns.items()]
        url = queue[0]
        given = {"queue": url, "region": REGION, "endpoint_url": url[: url.index("/", 8)]}
        read_source("sqs", given, CREDENTIALS, handlers=handlers)
        read_until(number)
        process_due()
        return {it.read().decode(): set(it.handled_by or []) for it in Receipt.objects.all()}

    return read


def test_s3_notification_is_caught_by_a_wildcard_of_the_key(
    aws: Any, queue: tuple[str, str], name: str, receive: Receive
) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    to_queue = {"QueueArn": queue[1], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": [to_queue]}, SkipDestinationValidation=True
    )
    s3.put_object(Bucket=name, Key="in/XYZ/order.json", Body=b"{}")
    s3.put_object(Bucket=name, Key="in/ABC/order.json", Body=b"{}")
    found = receive(3, xyz={"subject": [{"wildcard": "*/XYZ/*"}]})
    by_key = {
        unquote(record["s3"]["object"]["key"]): handlers
        for body, handlers in found.items()
        for record in json.loads(body).get("Records", [])  # none in the test message of S3
    }
    assert by_key == {"in/XYZ/order.json": {"xyz"}, "in/ABC/order.json": set()}


def test_message_of_sns_in_a_queue_is_opened(aws: Any, queue: tuple[str, str], name: str, receive: Receive) -> None:
    sns = aws("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1])
    sns.publish(TopicArn=topic, Message='{"total": 250}', Subject="order")
    pattern = {"source": [topic], "subject": ["order"], "data": {"total": [{"numeric": [">", 200]}]}}
    (handlers,) = receive(1, large=pattern, small={"data": {"total": [1]}}).values()
    assert handlers == {"large"}


def test_event_of_eventbridge_in_a_queue_is_opened(
    aws: Any, queue: tuple[str, str], name: str, receive: Receive
) -> None:
    events = aws("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue[1]}])
    entry = {"Source": name, "DetailType": "OrderPaid", "Detail": '{"total": 250}'}
    events.put_events(Entries=[entry])
    pattern = {"source": [name], "detail-type": ["OrderPaid"], "detail": {"total": [250]}}
    (handlers,) = receive(1, paid=pattern, other={"detail": {"total": [1]}}).values()
    assert handlers == {"paid"}
