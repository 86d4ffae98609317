"""Test, list and seek in the partitions of a topic, and open them: what the kind does with a connection."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from webhooks.sources.kinds.kafka.client import TOPIC, Cluster
from webhooks.sources.kinds.kafka.reader import PartitionReader, begin_offset
from webhooks.sources.kinds.kafka.records import RecordMaker
from webhooks.sources.kinds.kafka.settings import read_start
from webhooks.sources.kinds.kind import (
    Connection,
    Position,
    Reader,
    Record,
    Sample,
    SeekTarget,
    SourceUnavailable,
)
from webhooks.sources.kinds.opening import closed_on_failure

SAMPLE_SECONDS = 1.5  # to fetch the latest record in a test
LOOK_BACK = 10  # offsets before the end: the last ones may be gaps
MAX_COUNTED = 50  # partitions whose records a test counts


def test_topic(connection: Connection) -> Sample:
    """Return what is found in the topic, and its latest record. Raises SourceUnavailable."""
    with closing(Cluster(connection)) as cluster:
        partitions = sorted(cluster.metadata().partitions)
        until, marks = time.monotonic() + 2.0, {}
        for partition in partitions[:MAX_COUNTED]:
            marks[partition] = cluster.watermarks(partition)
            if time.monotonic() >= until:
                break
        total = sum(high - low for low, high in marks.values())
        counted = "" if len(marks) == len(partitions) else f" in {len(marks)} of them"
        message = (
            f"Topic {cluster.topic} has {_number(len(partitions), 'partition')}, and {_number(total, 'offset')}"
            f"{counted}."
        )
        return Sample(message, _latest(cluster, connection, marks) if total else None)


def _latest(cluster: Cluster, connection: Connection, marks: Mapping[int, tuple[int, int]]) -> Record | None:
    """Return the latest record among the partitions' last ones; None if none comes in time."""
    consumer, found = cluster.consumer, None
    places = {it: max(low, high - LOOK_BACK) for it, (low, high) in marks.items() if high > low}
    try:
        consumer.assign([TopicPartition(cluster.topic, it, offset) for it, offset in places.items()])
        until, unfinished = time.monotonic() + SAMPLE_SECONDS, set(places)
        while unfinished and (left := until - time.monotonic()) > 0:
            message = consumer.poll(left)
            if message is None or message.error() is not None:
                if message is not None:
                    unfinished.discard(message.partition() or 0)
                continue
            if found is None or message.timestamp()[1] >= found.timestamp()[1]:
                found = message
            if (message.offset() or 0) + 1 >= marks[message.partition() or 0][1]:
                unfinished.discard(message.partition() or 0)
    except KafkaException as error:
        raise cluster.unavailable(error.args[0]) from error
    return None if found is None else RecordMaker(connection).make(found)


def list_partitions(connection: Connection, known: Mapping[str, Position]) -> Mapping[str, Position]:
    """Return the partitions, each with the position where it begins if it is new. Raises SourceUnavailable."""
    with closing(Cluster(connection)) as cluster:
        numbers = sorted(cluster.metadata().partitions)
        if known:  # one that was added since is read from its beginning
            return {str(it): None for it in numbers}
        offsets = _offsets(cluster, numbers, read_start(connection.settings["start"]))
        return {str(it): None if it not in offsets else {"offset": offsets[it]} for it in numbers}


def seek(connection: Connection, partition: str, to: SeekTarget) -> Position:
    """Return the position of a partition at a target. Raises SourceUnavailable."""
    number = int(partition)
    with closing(Cluster(connection)) as cluster:
        cluster.metadata()
        if to == "earliest":
            return {"offset": cluster.watermarks(number)[0]}
        return {"offset": _offsets(cluster, [number], to)[number]}


def open_partition(connection: Connection, partition: str, position: Position) -> Reader:
    """Return a reader of a partition. Raises SourceUnavailable, PositionLost."""
    number = int(partition)
    cluster = Cluster(connection)
    with closed_on_failure(cluster):
        if number not in cluster.metadata().partitions:
            raise SourceUnavailable(f"Topic {cluster.topic} has no partition {number} any more.", TOPIC)
        low, high = cluster.watermarks(number)
        offset = begin_offset(connection, number, position, low, high)
        return PartitionReader(cluster, connection, number, offset, high)


def _offsets(cluster: Cluster, partitions: Sequence[int], to: Any) -> dict[int, int]:
    """Return the offsets at a target; none for earliest, where the first offset moves on."""
    if to == "earliest":
        return {}
    if isinstance(to, datetime):
        return cluster.offsets_at(list(partitions), max(0, int(to.timestamp() * 1000)))
    return {it: cluster.watermarks(it)[1] for it in partitions}


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
