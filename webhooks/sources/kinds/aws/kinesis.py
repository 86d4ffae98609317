"""Read a stream of Amazon Kinesis, each shard as a partition, children after their parents.

The position is the sequence number of the latest record, and of an aggregated record (``aggregated``) that one and how
many user records of it were read. A shard may be read five times a second by all its consumers, so a call returns more
than one fetch, and the rest is kept for the next ones.
"""

import time
from base64 import b64decode
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from webhooks.sources.kinds.aws.aggregated import user_records
from webhooks.sources.kinds.aws.client import AWS_SETTINGS, AwsApi, AwsError, check_place
from webhooks.sources.kinds.aws.shards import FIRST, Shard, at_time, read_shard, shards_to_read
from webhooks.sources.kinds.http_calls import Busy
from webhooks.sources.kinds.kind import (
    ENDED,
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    PartitionEnded,
    Position,
    PositionLost,
    Reader,
    Record,
    Sample,
    SeekTarget,
    Setting,
    SourceUnavailable,
)
from webhooks.sources.kinds.record_headers import record_headers
from webhooks.sources.kinds.start_setting import START, read_start

PER_CALL = 2000  # records of the stream
BETWEEN_CALLS = 0.25  # seconds: with room for one more consumer
MAX_SEARCH = 2.0  # seconds in which calls that return nothing, although the reader is behind, are repeated
MAX_SHARDS = 10_000
SHARDS_PER_CALL = 1000
SAMPLE_AGE = timedelta(minutes=5)  # of the latest record that a test shows
MAX_BYTES = 16 * 1024**2  # of records in one fetch


class ShardReader:
    """Read the records of one shard in order."""

    def __init__(self, api: AwsApi, stream: Mapping[str, str], shard: str, position: Position) -> None:
        self._api, self._stream, self._shard = api, stream, shard
        self._arn = {"StreamARN": stream["StreamARN"]} if "StreamARN" in stream else {}
        self._position = position  # behind the latest record that a call returned
        self._iterator: str | None = _iterator(api, stream, shard, position)
        self._waiting: deque[Record] = deque()
        self._behind: float | None = None  # seconds, at the latest call
        self._next_call = 0.0  # monotonic

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        until = time.monotonic() + wait
        while not self._waiting:
            if self._iterator is None:
                raise PartitionEnded
            end = until + MAX_SEARCH if self._behind else until
            pause = max(0.0, self._next_call - time.monotonic())
            if pause and time.monotonic() + pause > end:
                time.sleep(max(0.0, end - time.monotonic()))
                return []
            time.sleep(pause)
            self._call()
        records: list[Record] = []
        size = 0
        while self._waiting and len(records) < limit and size < MAX_BYTES:
            records.append(self._waiting.popleft())
            size += len(records[-1].body)
        return records

    def _call(self) -> None:
        """Get the next records of the shard, at most once in BETWEEN_CALLS."""
        self._next_call = time.monotonic() + BETWEEN_CALLS
        try:
            found = self._api.call("GetRecords", {**self._arn, "ShardIterator": self._iterator, "Limit": PER_CALL})
        except Busy:
            self._next_call += 3 * BETWEEN_CALLS
            return
        except AwsError as error:
            if error.code != "ExpiredIterator":
                raise
            self._iterator = _iterator(self._api, self._stream, self._shard, self._position)
            return
        self._iterator = found.get("NextShardIterator")
        behind = found.get("MillisBehindLatest")
        self._behind = behind / 1000 if isinstance(behind, (int, float)) else None
        for written in found.get("Records") or []:
            self._waiting.extend(self._records(written))

    def _records(self, written: Mapping[str, Any]) -> Iterator[Record]:
        """Yield the user records of a record of the stream that were not read before."""
        number = str(written.get("SequenceNumber"))
        after = {"after": number}
        is_begun = isinstance(self._position, dict) and self._position.get("in") == number
        skipped = self._position["read"] if is_begun else 0
        self._position = after
        record = _record(self._shard, number, written)
        inner = user_records(record.body)
        if inner is None:
            yield record
            return
        for index, it in enumerate(inner):
            if index >= skipped:
                is_last = index == len(inner) - 1
                yield replace(
                    record,
                    id=f"{record.id}:{index}",
                    body=it.data,
                    order_key=it.partition_key,
                    headers={**record.headers, "aws-kinesis-partition-key": _text(it.partition_key)},
                    position=after if is_last else {"in": number, "read": index + 1},
                )

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Do nothing: a stream keeps no positions of its readers."""

    def lag(self) -> Lag:
        if self._waiting:
            return Lag(seconds=self._behind)
        return Lag(0 if self._behind == 0 else None, self._behind)

    def close(self) -> None:
        """Do nothing: no connection is open."""


class Kinesis(Kind):
    """Records of a Kinesis stream."""

    name = "kinesis"
    label = "Amazon Kinesis"
    description = (
        "Each record of a stream, also one that the producer library aggregated, is received once and in the order of "
        "its partition key: its position is stored with it, and its id is made of shard and sequence number."
    )
    settings = (
        Setting(
            "stream",
            "Stream",
            "Name or ARN of the stream.",
            is_required=True,
            names_place=True,
            example="arn:aws:kinesis:eu-north-1:123456789012:stream/orders",
        ),
        *AWS_SETTINGS,
        START,
    )
    is_partitioned = True

    def check(self, connection: Connection) -> None:
        stream, region = connection.settings["stream"], connection.settings.get("region")
        in_arn = ""
        if stream.startswith("arn:"):
            parts = stream.split(":")
            if len(parts) != 6 or parts[2] != "kinesis" or not parts[5].startswith("stream/"):
                problem = "Must be the ARN of a stream, such as arn:aws:kinesis:eu-north-1:123456789012:stream/orders."
                raise InvalidSettings({"settings.stream": problem})
            in_arn = parts[3]
        if in_arn and region and in_arn != region:
            raise InvalidSettings({"settings.region": f"The stream is in the region {in_arn}; leave this empty."})
        read_start(connection.settings.get("start") or "latest")
        check_place(connection, in_arn or region or "")

    def test(self, connection: Connection) -> Sample:
        api, stream = _api(connection)
        found = api.call("DescribeStreamSummary", stream).get("StreamDescriptionSummary") or {}
        name, status, number = found.get("StreamName"), found.get("StreamStatus"), found.get("OpenShardCount")
        if status == "DELETING":
            raise SourceUnavailable(f"The stream {name} is being deleted.", "settings.stream")
        shard = next((it for it in _shards(api, stream) if it.is_open), None)
        latest = None
        if shard is not None:
            reader = ShardReader(api, stream, shard.id, at_time(datetime.now(UTC) - SAMPLE_AGE))
            records = reader.fetch(PER_CALL, 0.0)
            latest = records[-1] if records else None
        return Sample(f"Found the stream {name} with {number} open shards.", latest)

    def partitions(self, connection: Connection, known: Mapping[str, Position]) -> Mapping[str, Position]:
        api, stream = _api(connection)
        start = read_start(connection.settings.get("start") or "latest")
        return shards_to_read(_shards(api, stream), known, start, datetime.now(UTC))

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        api, stream = _api(connection)
        if partition not in {it.id for it in _shards(api, stream)}:
            return ENDED  # all of its records have expired
        if to == "earliest":
            return FIRST
        return at_time(datetime.now(UTC) if to == "latest" else to)

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        api, stream = _api(connection)
        return ShardReader(api, stream, partition, position or FIRST)

    def remove(self, connection: Connection) -> None:
        """Remove nothing: a stream has no trace of its readers."""


def _api(connection: Connection) -> tuple[AwsApi, dict[str, str]]:
    """Return the API, and how the stream is named in its requests."""
    stream, region = connection.settings["stream"], connection.settings.get("region") or ""
    is_arn = stream.startswith("arn:")
    region = stream.split(":")[3] if is_arn else region
    api = AwsApi(connection, "kinesis", "Kinesis_20131202", "1.1", region, "stream")
    return api, {"StreamARN" if is_arn else "StreamName": stream}


def _shards(api: AwsApi, stream: Mapping[str, str]) -> list[Shard]:
    """Return all shards that are listed, parents before their children."""
    request: dict[str, Any] = {**stream, "MaxResults": SHARDS_PER_CALL}
    shards: list[Shard] = []
    while len(shards) < MAX_SHARDS:
        found = api.call("ListShards", request)
        shards += [read_shard(it) for it in found.get("Shards") or []]
        if not found.get("NextToken"):
            break
        request = {"NextToken": found["NextToken"], "MaxResults": SHARDS_PER_CALL}
    return shards


def _iterator(api: AwsApi, stream: Mapping[str, str], shard: str, position: Position) -> str:
    """Return an iterator at a position, for five minutes. Raises PositionLost if the shard has expired."""
    request: dict[str, Any] = {**stream, "ShardId": shard}
    if "after" in position:
        request |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": position["after"]}
    elif "in" in position:
        request |= {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": position["in"]}
    else:
        request["ShardIteratorType"] = position["from"]
        if "time" in position:
            request["Timestamp"] = position["time"]
    try:
        return str(api.call("GetShardIterator", request)["ShardIterator"])
    except KeyError:
        raise SourceUnavailable("The service returned no iterator.", "settings.endpoint_url") from None
    except AwsError as error:
        if error.code != "ResourceNotFound":
            raise
        api.call("DescribeStreamSummary", stream)  # raises the error about the stream if it is gone
        text = f"The shard {shard} has expired before all of its records were read; seek to go on."
        raise PositionLost(text, "settings.stream") from error


def _record(shard: str, number: str, written: Mapping[str, Any]) -> Record:
    key = str(written.get("PartitionKey") or "")
    problem, body = "", str(written.get("Data") or "").encode("utf-8", "surrogatepass")
    try:
        body = b64decode(body, validate=True)
    except ValueError:
        problem = "The data of the record is not base64."
    own = {
        "aws-kinesis-shard": shard,
        "aws-kinesis-sequence-number": number,
        "aws-kinesis-partition-key": key,
    }
    return Record(
        id=f"{shard}:{number}",
        body=body,
        position={"after": number},
        headers=record_headers((), own),
        time=_time(written.get("ApproximateArrivalTimestamp")),
        order_key=key,
        problem=problem,
    )


def _text(key: str) -> str:
    return record_headers((), {"key": key}).get("key", "")


def _time(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else None
    except (ValueError, OverflowError, OSError):
        return None
