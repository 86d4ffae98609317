"""Test messages of SQS on an independent server over HTTP: read once each, whatever dies, and opened."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.receiver import Receiver, Respond, hang, status
from tests.webhooks.sources.kinds.aws.conftest import CREDENTIALS, REGION
from tests.webhooks.sources.kinds.reading import (
    KILLS,
    POINTS,
    connection_to,
    errors,
    make_due,
    read_in_child_that_dies,
    read_once,
    read_source,
    read_until,
)
from webhooks.kit.kinds.setting import check_settings
from webhooks.models import Receipt, Source, SourcePartition
from webhooks.sources.kinds.aws.sqs import Sqs
from webhooks.sources.kinds.kind import InvalidSettings, SourceUnavailable
from webhooks.sources.kinds.registry import kind_names
from webhooks.sources.sources import change_source

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("reading"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]
KIND = Sqs()


@pytest.fixture
def sqs(aws: Any) -> Any:
    return aws("sqs")


@pytest.fixture
def queue(sqs: Any, name: str) -> str:
    """Return the URL of a new queue."""
    return str(sqs.create_queue(QueueName=name)["QueueUrl"])


def settings_of(url: str, **more: Any) -> dict[str, Any]:
    return {"queue": url, "region": REGION, "endpoint_url": url[: url.index("/", 8)], **more}


def send(sqs: Any, url: str, *bodies: str, **more: Any) -> None:
    for start in range(0, len(bodies), 10):
        batch = bodies[start : start + 10]
        entries = [{"Id": str(number), "MessageBody": body, **more} for number, body in enumerate(batch)]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def left_in(sqs: Any, url: str) -> tuple[int, int]:
    """Return how many messages are visible and in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def test_messages_become_receipts_with_their_attributes_and_are_deleted(sqs: Any, queue: str) -> None:
    source = read_source("sqs", settings_of(queue), CREDENTIALS)
    attributes = {
        "Trace_Id": {"DataType": "String", "StringValue": "a\tb"},
        "Content-Type": {"DataType": "String", "StringValue": "application/json"},
        "Size": {"DataType": "Number", "StringValue": "7"},
        "Raw": {"DataType": "Binary", "BinaryValue": b"text"},
        "Bytes": {"DataType": "Binary", "BinaryValue": b"\xff"},
    }
    sent = sqs.send_message(
        QueueUrl=queue, MessageBody='{"type": "order.paid", "text": "é\\u0000"}', MessageAttributes=attributes
    )
    (receipt,) = read_until(1)
    assert (receipt.source_id, receipt.message_id, receipt.event_type) == (source.id, sent["MessageId"], "order.paid")
    assert receipt.read() == '{"type": "order.paid", "text": "é\\u0000"}'.encode()
    headers = {name: receipt.headers[name] for name in ("trace_id", "content-type", "size", "raw", "bytes")}
    assert headers == {
        "trace_id": "a\tb",
        "content-type": "application/json",
        "size": "7",
        "raw": "text",
        "bytes": "/w==",
    }
    assert receipt.headers["aws-sqs-receive-count"] == "1"
    assert left_in(sqs, queue) == (0, 0)
    partition = SourcePartition.objects.get()
    assert (partition.records, partition.lag_records, partition.last_error) == (1, 0, "")


def test_more_messages_than_a_call_returns_are_read_in_one_fetch_in_parallel(sqs: Any, queue: str) -> None:
    reader = KIND.open(connection_to(KIND, settings_of(queue), CREDENTIALS), "", None)
    send(sqs, queue, *(json.dumps({"n": number}) for number in range(120)))
    records = reader.fetch(100, 1.0)
    assert len({record.id for record in records}) == 100
    assert reader.lag().records == 20
    reader.acknowledge(records)
    assert left_in(sqs, queue) == (20, 0)
    reader.close()


def test_fetch_ends_at_some_bytes(sqs: Any, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.sources.kinds.aws.sqs.MAX_BYTES", 100_000)
    reader = KIND.open(connection_to(KIND, settings_of(queue), CREDENTIALS), "", None)
    for _ in range(10):
        send(sqs, queue, *(["x" * 10_000] * 5))
    assert 10 <= len(reader.fetch(500, 1.0)) <= 20


def test_messages_that_were_fetched_and_not_stored_are_visible_at_once_after_close(sqs: Any, queue: str) -> None:
    reader = KIND.open(connection_to(KIND, settings_of(queue), CREDENTIALS), "", None)
    send(sqs, queue, *"abcdefghijkl")
    reader.fetch(500, 0.0)
    assert left_in(sqs, queue) == (0, 12)
    reader.close()
    assert left_in(sqs, queue) == (12, 0)


def test_messages_of_a_fifo_queue_have_their_group_as_order_key_and_stay_in_order(sqs: Any, name: str) -> None:
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    queue = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
    read_source("sqs", settings_of(queue), CREDENTIALS)
    for number in range(24):
        sqs.send_message(QueueUrl=queue, MessageBody=f'{{"n": {number}}}', MessageGroupId=f"g{number % 2}")
    receipts = read_until(24)
    for group in ("g0", "g1"):
        numbers = [json.loads(it.read())["n"] for it in receipts if it.order_key == group]
        assert numbers == sorted(numbers)
        assert len(numbers) == 12
    assert {"aws-sqs-message-group-id", "aws-sqs-message-deduplication-id"} <= receipts[0].headers.keys()


def test_message_that_is_delivered_again_is_a_duplicate(sqs: Any, queue: str) -> None:
    read_source("sqs", settings_of(queue), CREDENTIALS)
    send(sqs, queue, '{"n": 1}')
    reader = KIND.open(connection_to(KIND, settings_of(queue), CREDENTIALS), "", None)
    (first,) = reader.fetch(1, 1.0)
    reader.close()
    read_until(1)
    assert Receipt.objects.get().message_id == first.id
    assert Receipt.objects.get().headers["aws-sqs-receive-count"] == "2"


@pytest.mark.django_db(transaction=True)
def test_no_message_is_lost_or_twice_when_workers_are_killed_between_the_steps(sqs: Any, queue: str) -> None:
    source = read_source("sqs", settings_of(queue), CREDENTIALS)
    Source.objects.filter(pk=source.pk).update(settings={**source.settings, "visibility_timeout": 1})
    send(sqs, queue, *(json.dumps({"n": number}) for number in range(KILLS * 10)))
    for number in range(KILLS):
        assert read_in_child_that_dies(POINTS[number % 3])
    receipts = read_until(KILLS * 10)
    time.sleep(1.1)  # what was not deleted is visible again
    make_due()
    read_once()
    numbers = [json.loads(it.read())["n"] for it in Receipt.objects.all()]
    assert sorted(numbers) == list(range(KILLS * 10))
    assert (len(receipts), left_in(sqs, queue)) == (KILLS * 10, (0, 0))


def test_deletions_that_fail_are_tried_again_and_then_say_why(receiver_server: Receiver) -> None:
    message = {"MessageId": "m1", "ReceiptHandle": "h1", "Body": "{}"}
    failed = {"Successful": [], "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    script(receiver_server, {"Messages": [message]}, failed, failed, {"Successful": [{"Id": "0"}]})
    reader = KIND.open(connection_to(KIND, settings_of(receiver_server.url("/1/q")), CREDENTIALS), "", None)
    reader.acknowledge(reader.fetch(10, 0.0))
    targets = [it.headers["x-amz-target"] for it in receiver_server.at("/")]
    assert targets == ["AmazonSQS.ReceiveMessage"] + ["AmazonSQS.DeleteMessageBatch"] * 3
    denied = status(400, b'{"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "Not DeleteMessage."}')
    script(receiver_server, {"Messages": [message]}, denied, denied, denied)
    with pytest.raises(SourceUnavailable, match=r"AccessDenied: Not DeleteMessage\.") as raised:
        reader.acknowledge(reader.fetch(10, 0.0))
    assert raised.value.setting == "credentials.access_key_id"


def script(server: Receiver, *responses: dict[str, Any] | Respond) -> None:
    answers = [it if callable(it) else status(200, json.dumps(it).encode()) for it in responses]
    server.script("/", *answers)


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        ("com.amazon.coral.service#UnrecognizedClientException", "credentials.access_key_id"),
        ("com.amazon.coral.service#InvalidSignatureException", "credentials.secret_access_key"),
        ("com.amazon.coral.service#ExpiredTokenException", "credentials.session_token"),
        ("com.amazonaws.sqs#QueueDoesNotExist", "settings.queue"),
        ("ThrottlingException", ""),
    ],
)
def test_error_of_the_service_names_the_setting_and_no_credential(
    receiver_server: Receiver, code: str, setting: str
) -> None:
    error = {"__type": code, "message": "Canonical string: secret/of+the/key"}
    receiver_server.script("/", status(400, json.dumps(error).encode()))
    with pytest.raises(SourceUnavailable) as raised:
        KIND.test(connection_to(KIND, settings_of(receiver_server.url("/1/q")), CREDENTIALS))
    assert raised.value.setting == setting
    if "Signature" in code:
        assert "secret/of" not in str(raised.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000, b'{"Messages": null}'])
def test_nonsense_of_the_service_is_an_error_or_nothing(receiver_server: Receiver, body: bytes) -> None:
    receiver_server.script("/", status(200, body))
    reader = KIND.open(connection_to(KIND, settings_of(receiver_server.url("/1/q")), CREDENTIALS), "", None)
    if body.startswith(b"{"):
        assert reader.fetch(10, 0.0) == []
    else:
        with pytest.raises(SourceUnavailable, match="other than a JSON object"):
            reader.fetch(10, 0.0)


def test_service_that_hangs_ends_the_fetch(receiver_server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.sources.kinds.aws.sqs.CALL_SECONDS", 0.2)
    receiver_server.script("/", hang)
    reader = KIND.open(connection_to(KIND, settings_of(receiver_server.url("/1/q")), CREDENTIALS), "", None)
    with pytest.raises(SourceUnavailable, match="in time"):
        reader.fetch(10, 0.0)


def test_hostile_message_becomes_a_record(receiver_server: Receiver) -> None:
    attributes = {f"a\r\n\x00{number}": {"StringValue": "v\x00\r\nx" * 1000} for number in range(300)}
    message = {"MessageId": "m\x00", "Body": "a\x00\ud83d", "MessageAttributes": attributes, "Attributes": {}}
    receiver_server.script("/", status(200, json.dumps({"Messages": [message]}).encode()))
    read_source("sqs", settings_of(receiver_server.url("/1/q")), CREDENTIALS)
    make_due()
    read_once()
    receipt = Receipt.objects.get()
    assert receipt.read() == b"a\x00\xed\xa0\xbd"
    assert int(receipt.headers["headers-left-out"]) > 280
    assert "\x00" not in json.dumps(receipt.headers)
    assert errors() == []  # also of the deletion, which got no failures


def test_queue_that_is_missing_is_said_with_the_setting(sqs: Any, queue: str) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        KIND.test(connection_to(KIND, settings_of(f"{queue}x"), CREDENTIALS))
    assert raised.value.setting == "settings.queue"
    read_source("sqs", settings_of(f"{queue}x"), CREDENTIALS)
    assert read_once() == 0
    assert [setting for setting, _ in errors()] == ["settings.queue"]


def test_test_says_what_was_found_and_receives_nothing(sqs: Any, queue: str, name: str) -> None:
    send(sqs, queue, "a", "b")
    for named in (queue, name, f"arn:aws:sqs:{REGION}:123456789012:{name}"):
        found = KIND.test(connection_to(KIND, {**settings_of(queue), "queue": named}, CREDENTIALS))
        assert found.message.startswith(f"Found the standard queue {name} with about 2 messages.")
    assert left_in(sqs, queue) == (2, 0)


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"queue": ""}, {"settings.queue"}),
        ({"queue": "arn:aws:sns:eu-north-1:1:orders"}, {"settings.queue"}),
        ({"queue": "a/b"}, {"settings.queue"}),
        ({"queue": "ftp://sqs.eu-north-1.amazonaws.com/1/q"}, {"settings.queue"}),
        ({"region": ""}, {"settings.region"}),
        ({"region": "Stockholm"}, {"settings.region"}),
        ({"queue": "arn:aws:sqs:us-east-1:1:orders"}, {"settings.region"}),
        ({"endpoint_url": "file:///etc/passwd"}, {"settings.endpoint_url"}),
        ({"visibility_timeout": 5}, {"settings.visibility_timeout"}),
        ({"colour": "red"}, {"settings.colour"}),
    ],
)
def test_bad_settings_are_found_without_connecting(changes: dict[str, Any], problems: set[str]) -> None:
    with pytest.raises(InvalidSettings) as raised:
        connection_to(KIND, {"queue": "orders", "region": REGION, **changes}, CREDENTIALS)
    assert raised.value.problems.keys() == problems


def test_credentials_are_required() -> None:
    with pytest.raises(InvalidSettings) as raised:
        check_settings(KIND.settings, {"queue": "orders"}, {})
    assert raised.value.problems.keys() == {"credentials.access_key_id", "credentials.secret_access_key"}


@pytest.mark.parametrize("address", ["http://10.0.0.1:8000", "http://169.254.169.254/", "http://127.0.0.1:1025/"])
def test_address_that_may_not_be_called_or_is_away_is_an_error_of_the_endpoint(address: str) -> None:
    given = {"queue": "orders", "region": REGION, "endpoint_url": address}
    with pytest.raises(SourceUnavailable) as raised:
        KIND.test(connection_to(KIND, given, CREDENTIALS))
    assert raised.value.setting == "settings.endpoint_url"


@pytest.mark.usefixtures("dns")
def test_region_that_has_no_service_is_named() -> None:
    with pytest.raises(SourceUnavailable, match=r"sqs\.eu-north-9\.amazonaws\.com has no address") as raised:
        KIND.test(connection_to(KIND, {"queue": "orders", "region": "eu-north-9"}, CREDENTIALS))
    assert raised.value.setting == "settings.region"


def test_paused_source_receives_nothing_and_resumes(sqs: Any, queue: str) -> None:
    source = read_source("sqs", settings_of(queue), CREDENTIALS)
    change_source(source, {"state": "paused"})
    send(sqs, queue, "1")
    assert (read_once(), left_in(sqs, queue)) == (0, (1, 0))
    change_source(source, {"state": "active"})
    read_until(1)


def test_time_of_a_message_is_when_it_was_sent_and_positions_are_none(sqs: Any, queue: str) -> None:
    send(sqs, queue, "1")
    reader = KIND.open(connection_to(KIND, settings_of(queue), CREDENTIALS), "", None)
    (record,) = reader.fetch(1, 1.0)
    assert record.time is not None
    assert abs(record.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert (record.position, KIND.can_seek, "sqs" in kind_names()) == (None, False, True)
