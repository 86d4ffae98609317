"""A kind of source whose other system is a list in this process: what the engine does, without any protocol.

It is right to use it only for the engine; each kind is tested on a real server.
"""

import threading
import time
from collections.abc import Mapping, Sequence

from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    PartitionEnded,
    Position,
    Reader,
    Record,
    Sample,
    SeekTarget,
    Setting,
    SourceUnavailable,
)

PATH = f"{__name__}.Scripted"


class System:
    """The other system: partitions with records, what was acknowledged, what was opened and closed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.partitions: dict[str, list[Record]] = {"": []}
        self.acknowledged: list[str] = []
        self.ended: set[str] = set()
        self.begin: dict[str, Position] = {}
        self.opened = 0
        self.closed = 0
        self.removed: list[str] = []
        self.failure: Exception | None = None
        self.fails_to_acknowledge: BaseException | None = None
        self.before_return: list[object] = []
        self.waits = False
        self.longest_wait = 0.0
        self.passed: object = None
        self.warning = ""
        self.failing_partitions: set[str] = set()
        self.responds: threading.Event | None = None

    def add(self, *bodies: bytes, partition: str = "", **changes: object) -> None:
        """Add records, whose ids and positions are their places."""
        records = self.partitions.setdefault(partition, [])
        for body in bodies:
            place = len(records) + 1
            values = {"id": f"{partition}:{place}", "body": body, "position": place, "content_type": "application/json"}
            records.append(Record(**{**values, **changes}))  # type: ignore[arg-type]


system = System()


class ListReader:
    def __init__(self, partition: str, position: int) -> None:
        self._partition, self._next = partition, position
        system.opened += 1

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        if system.failure is not None:
            raise system.failure
        if self._partition in system.failing_partitions:
            raise SourceUnavailable("The partition has no leader.")
        records = system.partitions[self._partition][self._next : self._next + limit]
        if not records and self._partition in system.ended:
            raise PartitionEnded
        system.longest_wait = max(system.longest_wait, wait)
        if not records and system.waits:
            time.sleep(wait)
        self._next += len(records)
        for hook in system.before_return:
            hook()  # type: ignore[operator]
        return records

    def acknowledge(self, records: Sequence[Record]) -> None:
        if system.fails_to_acknowledge is not None:
            raise system.fails_to_acknowledge
        system.acknowledged += [record.id for record in records]

    def lag(self) -> Lag:
        return Lag(len(system.partitions[self._partition]) - self._next, position=system.passed, warning=system.warning)

    def close(self) -> None:
        system.closed += 1


class Scripted(Kind):
    name = "scripted"
    label = "Scripted"
    description = "Records of a list."
    settings = (
        Setting("topic", "Topic", "What is read.", is_required=True, names_place=True),
        Setting("size", "Size", "A number.", type="number", default=10, minimum=1, maximum=20),
        Setting("mode", "Mode", "A choice.", choices=("a", "b")),
        Setting("flag", "Flag", "Yes or no.", type="boolean"),
        Setting("names", "Names", "A list.", type="texts"),
        Setting("map", "Map", "An object.", type="object"),
        Setting("password", "Password", "A credential.", is_credential=True),
    )

    def test(self, connection: Connection) -> Sample:
        if connection.settings["topic"] == "missing":
            raise SourceUnavailable("There is no topic missing.", "settings.topic")
        return Sample("Found.")

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        if to == "earliest":
            return 0
        if to == "latest":
            return len(system.partitions[partition])
        raise InvalidSettings({"to": "Has no times."})

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        if connection.settings["topic"] == "missing":
            raise SourceUnavailable("There is no topic missing.", "settings.topic")
        if connection.settings["topic"] == "hangs" and system.responds is not None:
            if not system.responds.wait(60):
                raise AssertionError("The test has not let it respond.")
            raise SourceUnavailable("The server did not respond in time.", "settings.topic")
        return ListReader(partition, position or 0)

    def remove(self, connection: Connection) -> None:
        system.removed.append(connection.source)


class Partitioned(Scripted):
    name = "partitioned"
    is_partitioned = True

    def partitions(self, connection: Connection, known: Mapping[str, Position]) -> Mapping[str, Position]:
        return {name: system.begin.get(name) for name in sorted(system.partitions)}
