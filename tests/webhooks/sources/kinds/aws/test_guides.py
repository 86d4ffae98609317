"""Run the commands of the guides about queues and streams of AWS."""

from typing import Any

import pytest

from delivery.models import Event
from tests.factories import make_key, make_tenant
from tests.webhooks.sources.kinds.aws.conftest import REGION
from tests.webhooks.sources.kinds.guides import Guide
from tests.webhooks.sources.kinds.reading import make_due, read_once, read_until
from webhooks.processing.process import process_due

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("reading"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]


def test_guide_of_sqs_reads_a_queue_and_publishes_objects_of_one_folder(
    aws: Any, aws_url: str, name: str, live_server: Any
) -> None:
    sqs, s3 = aws("sqs"), aws("s3")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    key = make_key(make_tenant())[1]
    settings = f'{queue}", "region": "{REGION}", "endpoint_url": "{aws_url}'
    replaced = {"https://sqs.eu-north-1.amazonaws.com/123456789012/orders": settings}
    guide = Guide("read-sqs", f"{live_server.url}/api/v1", key, replaced)
    assert guide.run(0)["message"].startswith("Found the standard queue")
    assert guide.run(1)["kind"] == "sqs"
    sqs.send_message(QueueUrl=queue, MessageBody='{"type": "order.paid", "data": {"n": 1}}')
    read_until(1)
    process_due()
    assert [event.type for event in Event.objects.all()] == ["order.paid"]
    guide.run(2)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    to_queue = {"QueueArn": f"arn:aws:sqs:{REGION}:123456789012:{name}", "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": [to_queue]}, SkipDestinationValidation=True
    )
    s3.put_object(Bucket=name, Key="in/XYZ/order.json", Body=b"{}")
    s3.put_object(Bucket=name, Key="in/ABC/order.json", Body=b"{}")
    read_until(4)
    make_due()
    read_once()
    process_due()
    assert [event.type for event in Event.objects.order_by("id")] == [
        "order.paid",
        "com.amazonaws.s3.ObjectCreated:Put",
    ]


def test_guide_of_kinesis_reads_a_stream_and_seeks(
    aws: Any, aws_url: str, name: str, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.sources.kinds.aws.kinesis.BETWEEN_CALLS", 0.01)
    kinesis = aws("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.put_record(StreamName=name, PartitionKey="a", Data=b'{"type": "order.paid", "data": {"n": 1}}')
    key = make_key(make_tenant())[1]
    stream = f'arn:aws:kinesis:{REGION}:123456789012:stream/{name}", "endpoint_url": "{aws_url}'
    replaced = {"arn:aws:kinesis:eu-north-1:123456789012:stream/orders": stream}
    guide = Guide("read-kinesis", f"{live_server.url}/api/v1", key, replaced)
    assert guide.run(0)["kind"] == "kinesis"
    read_until(1)
    process_due()
    assert [event.type for event in Event.objects.all()] == ["order.paid"]
    (moved,) = guide.run(1)["data"]
    assert moved["position"] == {"from": "TRIM_HORIZON"}
