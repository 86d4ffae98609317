"""The kind ``kafka``: each record of a topic is a message.

What it does with a connection is imported at the first use, because the library may not be installed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.module_loading import import_string

from webhooks.sources.kinds.kafka.settings import SETTINGS, find_problems
from webhooks.sources.kinds.kind import Connection, InvalidSettings, Kind, Position, Reader, Sample, SeekTarget


def _topic(name: str) -> Callable[..., Any]:
    """Return a function of the module that uses the library."""
    found: Callable[..., Any] = import_string(f"webhooks.sources.kinds.kafka.topic.{name}")
    return found


class Kafka(Kind):
    """Read a topic of Apache Kafka."""

    name = "kafka"
    label = "Apache Kafka"
    description = (
        "Each record of a topic becomes an event: fetched at least once, and published once, because a record that is "
        "fetched again has the same message id."
    )
    settings = SETTINGS
    modules = ("confluent_kafka", "google.protobuf")
    extra = "kafka"
    is_partitioned = True

    def check(self, connection: Connection) -> None:
        if problems := find_problems(connection):
            raise InvalidSettings(problems)

    def test(self, connection: Connection) -> Sample:
        sample: Sample = _topic("test_topic")(connection)
        return sample

    def partitions(self, connection: Connection, known: Mapping[str, Position]) -> Mapping[str, Position]:
        found: Mapping[str, Position] = _topic("list_partitions")(connection, known)
        return found

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        return _topic("seek")(connection, partition, to)

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        reader: Reader = _topic("open_partition")(connection, partition, position)
        return reader
