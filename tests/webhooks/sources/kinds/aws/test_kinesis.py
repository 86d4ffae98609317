"""Test streams of Kinesis on an independent server over HTTP; how shards end, which it does not know, by scripts."""

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.receiver import Receiver, Respond, status
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
from webhooks.models import Receipt, SourcePartition
from webhooks.readers.partitions import seek
from webhooks.sources.kinds.aws import kinesis as module
from webhooks.sources.kinds.aws.aggregated import user_records
from webhooks.sources.kinds.aws.kinesis import Kinesis
from webhooks.sources.kinds.aws.shards import FIRST, Shard, at_time, shards_to_read
from webhooks.sources.kinds.kind import ENDED, InvalidSettings, PartitionEnded, PositionLost, SourceUnavailable
from webhooks.sources.sources import change_source

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("reading"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]
KIND = Kinesis()
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def calls_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not keep to the rate that AWS allows."""
    monkeypatch.setattr(module, "BETWEEN_CALLS", 0.01)


@pytest.fixture
def kinesis(aws: Any) -> Any:
    return aws("kinesis")


@pytest.fixture
def stream(kinesis: Any, name: str, aws_url: str) -> dict[str, Any]:
    """Return the settings of a source that reads a new stream with two shards from its beginning."""
    kinesis.create_stream(StreamName=name, ShardCount=2)
    return {"stream": name, "region": REGION, "endpoint_url": aws_url, "start": "earliest"}


def put(kinesis: Any, settings: dict[str, Any], *bodies: bytes, key: str = "") -> None:
    for start in range(0, len(bodies), 500):
        records = [
            {"Data": body, "PartitionKey": key or f"k{start + number}"}
            for number, body in enumerate(bodies[start : start + 500])
        ]
        kinesis.put_records(StreamName=settings["stream"], Records=records)


def numbered(count: int) -> list[bytes]:
    return [json.dumps({"n": number}).encode() for number in range(count)]


def numbers() -> list[int]:
    return [json.loads(receipt.read())["n"] for receipt in Receipt.objects.order_by("id")]


def aggregate(*records: tuple[int, bytes], keys: tuple[str, ...] = ("a", "b")) -> bytes:
    """Write an aggregated record as the format's description says, with a field that readers do not know."""

    def field(number: int, value: bytes) -> bytes:
        assert len(value) < 128
        return bytes([number << 3 | 2, len(value)]) + value

    message = b"".join(field(1, key.encode()) for key in keys)
    message += b"".join(field(3, bytes([1 << 3, index]) + field(3, data)) for index, data in records)
    message += bytes([9 << 3, 7])
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def test_records_of_all_shards_become_receipts_with_their_partition_key(
    kinesis: Any, stream: dict[str, Any], name: str
) -> None:
    read_source("kinesis", stream, CREDENTIALS)
    put(kinesis, stream, *numbered(40))
    put(kinesis, stream, b'{"type": "order.paid"}', b"\x00\xff", key="é 7")
    receipts = read_until(42)
    last = next(it for it in receipts if it.event_type == "order.paid")
    assert last.order_key == "é 7"
    shard, number = last.headers["aws-kinesis-shard"], last.headers["aws-kinesis-sequence-number"]
    assert last.message_id == f"{shard}:{number}"
    assert b"\x00\xff" in [it.read() for it in receipts]
    rows = SourcePartition.objects.exclude(name="")
    assert sorted(it.name for it in rows) == ["shardId-000000000000", "shardId-000000000001"]
    assert (sum(it.records for it in rows), {it.lag_seconds for it in rows}, errors()) == (42, {0.0}, [])


def test_aggregated_record_is_read_as_its_user_records_and_goes_on_in_the_middle(
    kinesis: Any, stream: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.readers.slices.MAX_RECORDS", 2)
    source = read_source("kinesis", stream, CREDENTIALS)
    data = aggregate((0, b'{"n": 0}'), (1, b'{"n": 1}'), (0, b'{"n": 2}'), (1, b'{"n": 3}'), (1, b'{"n": 4}'))
    put(kinesis, stream, data, b'{"n": 5}', key="x")
    make_due()
    read_once()
    make_due()
    read_once()
    partition = SourcePartition.objects.exclude(position=None).exclude(position=FIRST).get()
    assert (numbers(), partition.position) == ([0, 1], {"in": "1", "read": 2})
    change_source(source, {"name": "opens the reader again"})
    receipts = read_until(6)
    assert numbers() == list(range(6))
    assert [it.order_key for it in receipts] == ["a", "b", "a", "b", "b", "x"]
    assert receipts[1].headers["aws-kinesis-partition-key"] == "b"
    assert len({it.message_id for it in receipts}) == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"\xf3\x89\x9a\xc2" + b"\xff" * 40 + hashlib.md5(b"\xff" * 40).digest(),
        lambda data: b"\xf3\x89\x9a\xc2" + b"\x0a\x7f" + hashlib.md5(b"\x0a\x7f").digest(),
        lambda data: data[:12],
        lambda data: b"plain",
    ],
)
def test_record_that_only_looks_aggregated_stays_as_it_is(change: Any) -> None:
    assert user_records(change(aggregate((0, b"1")))) is None


def test_key_that_an_aggregated_record_lacks_makes_it_a_plain_one() -> None:
    assert user_records(aggregate((5, b"1"))) is None


def test_new_source_begins_at_the_latest_record_whenever_it_is_first_read(kinesis: Any, stream: dict[str, Any]) -> None:
    put(kinesis, stream, b'{"n": 1}')
    read_source("kinesis", {**stream, "start": "latest"}, CREDENTIALS)
    make_due()
    read_once()  # lists the shards
    put(kinesis, stream, b'{"n": 2}')
    read_until(1)
    assert numbers() == [2]


def test_source_begins_at_a_time(kinesis: Any, stream: dict[str, Any]) -> None:
    put(kinesis, stream, b'{"n": 1}')
    for start, count in ((datetime.now(UTC) + timedelta(days=1), 0), (datetime.now(UTC) - timedelta(days=1), 1)):
        reader = KIND.open(connection_to(KIND, stream, CREDENTIALS), "shardId-000000000000", at_time(start))
        other = KIND.open(connection_to(KIND, stream, CREDENTIALS), "shardId-000000000001", at_time(start))
        assert len([*reader.fetch(10, 0.0), *other.fetch(10, 0.0)]) == count


def test_seek_reads_again_without_doubles_and_skips_to_the_end(kinesis: Any, stream: dict[str, Any]) -> None:
    source = read_source("kinesis", stream, CREDENTIALS)
    put(kinesis, stream, *numbered(10))
    read_until(10)
    seek(source, "earliest")
    make_due()
    read_once()
    assert (Receipt.objects.count(), sum(SourcePartition.objects.values_list("records", flat=True))) == (10, 20)
    put(kinesis, stream, b'{"n": 10}')
    seek(source, "latest")
    make_due()
    read_once()
    assert Receipt.objects.count() == 10
    assert KIND.seek(connection_to(KIND, stream, CREDENTIALS), "shardId-9", "latest") == ENDED


@pytest.mark.django_db(transaction=True)
def test_no_record_is_lost_or_twice_when_workers_are_killed_between_the_steps(
    kinesis: Any, stream: dict[str, Any]
) -> None:
    read_source("kinesis", stream, CREDENTIALS)
    put(kinesis, stream, *numbered(KILLS * 10), key="all in one shard")
    read_once()  # lists the shards
    for number in range(KILLS):
        assert read_in_child_that_dies(POINTS[number % 3])
    read_until(KILLS * 10)
    assert numbers() == list(range(KILLS * 10))


def test_test_shows_the_latest_record(kinesis: Any, stream: dict[str, Any], name: str) -> None:
    put(kinesis, stream, b"1", b"2", key="a")
    for named in (name, f"arn:aws:kinesis:{REGION}:123456789012:stream/{name}"):
        sample = KIND.test(connection_to(KIND, {**stream, "stream": named}, CREDENTIALS))
        assert sample.message == f"Found the stream {name} with 2 open shards."
    assert sample.record is None or sample.record.body == b"2"


def test_missing_stream_is_said_with_the_setting(stream: dict[str, Any]) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        KIND.test(connection_to(KIND, {**stream, "stream": "missing"}, CREDENTIALS))
    assert raised.value.setting == "settings.stream"
    read_source("kinesis", {**stream, "stream": "missing"}, CREDENTIALS)
    make_due()
    read_once()
    assert [setting for setting, _ in errors()] == ["settings.stream"]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"stream": "arn:aws:sqs:eu-north-1:1:orders"}, {"settings.stream"}),
        ({"stream": "arn:aws:kinesis:us-east-1:1:stream/orders"}, {"settings.region"}),
        ({"region": ""}, {"settings.region"}),
        ({"start": "yesterday"}, {"settings.start"}),
        ({"start": "2026-01-01T00:00:00"}, {"settings.start"}),
    ],
)
def test_bad_settings_are_found_without_connecting(changes: dict[str, Any], problems: set[str]) -> None:
    with pytest.raises(InvalidSettings) as raised:
        connection_to(KIND, {"stream": "orders", "region": REGION, **changes}, CREDENTIALS)
    assert raised.value.problems.keys() == problems


SPLIT = (Shard("0", (), is_open=False), Shard("1", ("0",)), Shard("2", ("0",)))
MERGED = (Shard("3", ("1", "2")),)


@pytest.mark.parametrize(
    ("shards", "known", "start", "found"),
    [
        (SPLIT, {}, "earliest", {"0": FIRST}),
        (SPLIT, {}, NOW, {"0": at_time(NOW)}),
        (SPLIT, {}, "latest", {"0": ENDED, "1": at_time(NOW), "2": at_time(NOW)}),
        (SPLIT, {"0": {"after": "7"}}, "earliest", {"0": {"after": "7"}}),
        (SPLIT, {"0": ENDED}, "latest", {"0": ENDED, "1": FIRST, "2": FIRST}),
        (SPLIT, {"0": ENDED}, NOW, {"0": ENDED, "1": at_time(NOW), "2": at_time(NOW)}),
        (SPLIT[1:], {"0": ENDED}, "earliest", {"1": FIRST, "2": FIRST}),
        (SPLIT[1:], {"0": {"after": "7"}}, "earliest", {"1": FIRST, "2": FIRST}),  # its parent has expired
        (SPLIT + MERGED, {"0": ENDED, "1": ENDED, "2": {}}, "earliest", {"0": ENDED, "1": ENDED, "2": {}}),
        (SPLIT[1:] + MERGED, {"1": ENDED, "2": ENDED}, "earliest", {"1": ENDED, "2": ENDED, "3": FIRST}),
        ((), {}, "latest", {}),
    ],
)
def test_children_are_read_when_all_their_parents_have_ended(
    shards: Any, known: dict[str, Any], start: Any, found: dict[str, Any]
) -> None:
    assert shards_to_read(shards, known, start, NOW) == found


def script(server: Receiver, *responses: dict[str, Any] | Respond) -> dict[str, Any]:
    """Let the server respond so; return the settings of a source that reads it."""
    server.script("/", *(it if callable(it) else status(200, json.dumps(it).encode()) for it in responses))
    return {"stream": "orders", "region": REGION, "endpoint_url": server.url("/"), "start": "earliest"}


def record(number: int) -> dict[str, Any]:
    data = b64encode(b'{"n": %d}' % number).decode()
    return {"SequenceNumber": str(number), "Data": data, "PartitionKey": "k", "ApproximateArrivalTimestamp": 1.7e9}


def shard(name: str, *parents: str, closed: bool = False) -> dict[str, Any]:
    given = dict(zip(("ParentShardId", "AdjacentParentShardId"), parents, strict=False))
    return {"ShardId": name, "SequenceNumberRange": {"EndingSequenceNumber": "9"} if closed else {}, **given}


def test_shard_that_was_split_ends_and_its_children_are_read_after_it(receiver_server: Receiver) -> None:
    split = {"Shards": [shard("0", closed=True), shard("1", "0")]}
    settings = script(
        receiver_server,
        split,
        {"ShardIterator": "a"},
        {"Records": [record(1)], "MillisBehindLatest": 0},
        split,
        {"ShardIterator": "b"},
        {"Records": [record(2)], "NextShardIterator": "c", "MillisBehindLatest": 0},
        {"Records": [], "NextShardIterator": "c", "MillisBehindLatest": 0},
    )
    read_source("kinesis", settings, CREDENTIALS)
    read_until(2)
    assert numbers() == [1, 2]
    asked = [json.loads(it.body) for it in receiver_server.at("/") if "Iterator" in it.headers["x-amz-target"]]
    assert [(it["ShardId"], it["ShardIteratorType"]) for it in asked] == [("0", "TRIM_HORIZON"), ("1", "TRIM_HORIZON")]


def error(code: str) -> Respond:
    return status(400, json.dumps({"__type": code, "message": "so"}).encode())


def test_iterator_that_expired_is_made_anew_behind_the_latest_record(receiver_server: Receiver) -> None:
    settings = script(
        receiver_server,
        {"ShardIterator": "a"},
        {"Records": [record(1)], "NextShardIterator": "b", "MillisBehindLatest": 9000},
        error("ExpiredIteratorException"),
        {"ShardIterator": "c"},
        error("ProvisionedThroughputExceededException"),
        {"Records": [record(2)], "NextShardIterator": None, "MillisBehindLatest": 0},
    )
    reader = KIND.open(connection_to(KIND, settings, CREDENTIALS), "0", FIRST)
    assert [it.position for it in reader.fetch(10, 1.0)] == [{"after": "1"}]
    assert reader.lag().seconds == 9.0
    assert [it.body for it in reader.fetch(10, 1.0)] == [b'{"n": 2}']
    asked = json.loads(receiver_server.at("/")[3].body)
    assert (asked["ShardIteratorType"], asked["StartingSequenceNumber"]) == ("AFTER_SEQUENCE_NUMBER", "1")
    with pytest.raises(PartitionEnded):
        reader.fetch(10, 0.0)


def test_shard_that_expired_unread_is_said(receiver_server: Receiver) -> None:
    settings = script(receiver_server, error("ResourceNotFoundException"), {"StreamDescriptionSummary": {}})
    with pytest.raises(PositionLost, match="shard 0 has expired"):
        KIND.open(connection_to(KIND, settings, CREDENTIALS), "0", {"after": "7"})


def test_data_that_is_no_base64_is_a_dead_receipt_and_blocks_nothing(receiver_server: Receiver) -> None:
    settings = script(
        receiver_server,
        {"Shards": [shard("0")]},
        {"ShardIterator": "a"},
        {"Records": [{**record(1), "Data": "*"}, record(2)], "NextShardIterator": "b", "MillisBehindLatest": 0},
        {"Records": [], "NextShardIterator": "b", "MillisBehindLatest": 0},
    )
    read_source("kinesis", settings, CREDENTIALS)
    read_until(2)
    assert Receipt.objects.get(dead_at__isnull=False).last_error == "The data of the record is not base64."
