"""Fetch the records of one partition, from an offset that is kept here and not at the brokers.

Offsets have gaps: compaction removes records, and transactions write markers. At the end of what there is, librdkafka
reports the offset behind the gap, and that is the position then.
"""

import logging
import time
from collections import deque
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from webhooks.sources.kinds.kafka.client import MIB, Cluster
from webhooks.sources.kinds.kafka.records import RecordMaker, time_of
from webhooks.sources.kinds.kind import Connection, Lag, Position, PositionLost, Record, SourceUnavailable

MAX_BYTES = 16 * MIB  # of the bodies of one fetch, beyond which it ends
MAX_BATCH = 200  # messages taken from librdkafka at once
MORE_SECONDS = 0.05  # to wait for more records that exist, so that many are stored at once
DATA_SECONDS = 2.0  # to wait for records that exist, also while other partitions are due

_log = logging.getLogger("waypost.kafka.positions")


class PartitionReader:
    """Read one partition; ``offset``: of the first record to fetch."""

    def __init__(self, cluster: Cluster, connection: Connection, partition: int, offset: int, high: int) -> None:
        self._cluster, self._consumer = cluster, cluster.consumer
        self._place = TopicPartition(cluster.topic, partition)
        self._maker = RecordMaker(connection)
        self._commits = connection.settings["commit"]
        self._waiting: deque[Message] = deque()
        self._next, self._end, self._high = offset, offset, high
        self._is_at_end = False  # whatever comes now is new, or belongs to a transaction that is open
        self._latest: float | None = None  # time of the latest record
        self._consumer.assign([TopicPartition(cluster.topic, partition, offset)])

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return the next records."""
        self._cluster.check_brokers()
        until = time.monotonic() + (max(wait, DATA_SECONDS) if self._is_behind() else wait)
        records: list[Record] = []
        size = 0
        while len(records) < limit and size < MAX_BYTES:
            if not self._waiting and not self._receive(self._patience(until, records)):
                if records or time.monotonic() >= until:
                    break
                continue
            try:
                record = self._maker.make(self._waiting[0])
            except SourceUnavailable:
                if records:
                    break  # those first; the next fetch raises
                raise
            message = self._waiting.popleft()
            self._pass(message)
            if record is not None:
                records.append(record)
                size += len(record.body)
        return records

    def _patience(self, until: float, records: Sequence[Record]) -> float:
        """Return how long to wait for messages: briefly for more of them, if they exist."""
        if records:
            return MORE_SECONDS if self._is_behind() else 0.0
        return until - time.monotonic()

    def _pass(self, message: Message) -> None:
        self._next = (message.offset() or 0) + 1
        moment = time_of(message)
        self._latest = moment.timestamp() if moment else None
        if not self._waiting:
            self._next = max(self._next, self._end)

    def _receive(self, seconds: float) -> bool:
        """Take messages from librdkafka, waiting for the first one; return whether some wait now.

        Raises SourceUnavailable if there is none and the brokers have failed.
        """
        first = self._consumer.poll(max(0.0, min(seconds, 1.0)))
        if first is None:
            self._cluster.check_error()
            return False
        self._cluster.forget_error()
        for message in [first, *self._consumer.consume(MAX_BATCH - 1, 0)]:
            error = message.error()
            if error is None:
                self._waiting.append(message)
                self._is_at_end = False
            elif error.code() == KafkaError._PARTITION_EOF:
                self._end, self._is_at_end = message.offset() or 0, True
            else:
                raise self._failure(error)
        if not self._waiting:
            self._next = max(self._next, self._end)
        return bool(self._waiting)

    def _failure(self, error: KafkaError) -> Exception:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            return position_lost(self._next, None)
        return self._cluster.unavailable(error)

    def _is_behind(self) -> bool:
        """Return whether records are known to exist that were not fetched."""
        return bool(self._waiting) or (not self._is_at_end and self._next < self._known_high())

    def _known_high(self) -> int:
        """Return the offset behind the last record, as far as the latest response said; no request."""
        try:
            found = self._consumer.get_watermark_offsets(self._place, cached=True)
        except KafkaException:
            found = None
        if found is not None and found[1] >= 0:
            self._high = max(found[1], self._end)
        return self._high

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Commit the offset to the consumer group, which only shows it; a failure is of no consequence."""
        if not self._commits:
            return
        offset = records[-1].position["offset"]
        try:
            self._consumer.commit(
                offsets=[TopicPartition(self._place.topic, self._place.partition, offset)], asynchronous=True
            )
        except KafkaException:
            pass

    def lag(self) -> Lag:
        """Return how many offsets are left, of which some may be gaps, and the age of the latest record fetched."""
        left = max(0, self._known_high() - self._next)
        age = max(0.0, time.time() - self._latest) if left and self._latest is not None else None
        return Lag(left, age if left else 0.0, {"offset": self._next})

    def close(self) -> None:
        """Close the connection."""
        self._cluster.close()


def begin_offset(connection: Connection, partition: int, position: Position, low: int, high: int) -> int:
    """Return the offset at which to read on. Raises PositionLost if it is gone and the source is to stop then.

    ``low``, ``high``: the first offset that exists and the next to be written.
    """
    if position is None:
        return low
    offset = int(position["offset"])
    if low <= offset <= high:
        return offset
    choice = connection.settings["on_position_lost"]
    if choice == "stop":
        raise position_lost(offset, (low, high))
    _log.warning(
        "%s goes on at %s: partition %d has offsets %d to %d, not %d",
        connection.source,
        choice,
        partition,
        low,
        high,
        offset,
    )
    return low if choice == "earliest" else high


def position_lost(offset: int, range_: tuple[int, int] | None) -> PositionLost:
    """Return the exception for an offset that the brokers do not have."""
    what = f" They have {range_[0]} to {range_[1]}." if range_ else ""
    return PositionLost(
        f"The brokers do not have offset {offset}: its records were deleted before they were read, or the topic was "
        f"made anew.{what} Seek to go on.",
        "settings.on_position_lost",
    )
