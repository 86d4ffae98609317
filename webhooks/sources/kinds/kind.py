"""Define a kind of source: its settings, and the reader that fetches its records. One file beside this one a kind.

A reader only fetches and acknowledges; ``webhooks.readers`` runs it, and from there a record is a received message
like any other. Records are committed as receipts before they are acknowledged, in one transaction with the position
behind them, so a crash between any two steps makes a reader fetch records again, and their ids, which come from their
place, make these duplicates.

Failures are SourceUnavailable, with the setting that is to blame where one is; anything else that a reader raises is
reported as an error of its kind and tried again like it.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from webhooks.kit.kinds.setting import InvalidSettings, Setting
from webhooks.kit.kinds.system_kind import SystemKind, SystemUnavailable

__all__ = [
    "Connection",
    "InvalidSettings",
    "Kind",
    "Lag",
    "PartitionEnded",
    "Position",
    "PositionLost",
    "Reader",
    "Record",
    "Sample",
    "SeekTarget",
    "Setting",
    "SourceUnavailable",
    "unexpected",
]

Position = Any
"""Where reading goes on, as a JSON value that only the kind understands; None: where the settings say."""

ENDED: Position = {"ended": True}
"""The position of a partition that has been read and gets no more records (PartitionEnded)."""


class SourceUnavailable(SystemUnavailable):
    """The other system cannot be read."""


def unexpected(error: Exception) -> SourceUnavailable:
    """Return an error that the kind does not expect, as when the other system does not speak its protocol."""
    return SourceUnavailable(f"Reading failed with an unexpected error: {type(error).__name__}: {error}.")


class PositionLost(SourceUnavailable):
    """The other system has deleted what follows the position, so records are missing; seek to go on."""


class PartitionEnded(Exception):
    """The partition has been read and gets no more records: a shard that was split, for example.

    Its position becomes ENDED, it is not read again, and the partitions are listed at once.
    """


@dataclass(frozen=True, slots=True)
class Connection:
    """Hold what a kind needs to reach the other system: checked settings with defaults, and decrypted credentials.

    ``source`` is the public id, for names that a kind creates in the other system (slots, consumer groups). ``share``
    is the tenant, or the source if no tenant owns it, on whose behalf names are resolved and calls are made.
    """

    source: str
    share: Hashable
    settings: Mapping[str, Any]
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of another system.

    ``id``: made of its place, so that the same record has it again; ``position``: where reading goes on after it;
    ``headers``: names in lower case; ``problem``: why its content cannot be read (the record is stored as a dead
    receipt with these bytes and this reason); ``handle``: what ``acknowledge`` needs, not stored.
    """

    id: str
    body: bytes
    position: Position = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    time: datetime | None = None
    event_type: str = ""
    order_key: str = ""
    problem: str = ""
    handle: Any = None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a reader is behind: records it has not fetched, age of the oldest in seconds. None: not known.

    ``position``: where reading goes on, if the reader has passed over what makes no records (markers of transactions,
    records that are left out); it is stored, so that it does not fall behind what the other system deletes.
    ``bytes``: what the other system keeps for it. ``warning``: a sentence for the owner if that system, or the source,
    is in danger; empty if not.
    """

    records: int | None = None
    seconds: float | None = None
    position: Position = None
    bytes: int | None = None
    warning: str = ""


class Reader(Protocol):
    """An open connection that fetches records of one partition in order."""

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return the next records, at most ``limit``; wait for the first one for at most ``wait`` seconds.

        Raises SourceUnavailable, PartitionEnded.
        """

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Tell the other system that these records, all that the last fetch returned, are committed here.

        Called again, or never, if a process dies; nothing is lost either way. Raises SourceUnavailable.
        """

    def lag(self) -> Lag:
        """Return how far the reader is behind. Raises SourceUnavailable."""

    def close(self) -> None:
        """Close the connection; records that were fetched and not acknowledged may be fetched by others."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Say what a test of the settings found: a sentence, and the latest record if there is one, which stays unread."""

    message: str
    record: Record | None = None


class Kind(SystemKind):
    """A kind of source; the subclass of each file."""

    is_partitioned: ClassVar[bool] = False
    """Whether ``partitions`` names more than one; else the only partition is the empty string."""
    can_seek: ClassVar[bool] = True
    idle_seconds: ClassVar[float] = 1.0
    """Longest time from the end of a slice that found nothing to the next one."""

    def check(self, connection: Connection) -> None:
        """Check settings together, without connecting. Raises InvalidSettings."""

    def next_idle(self, connection: Connection) -> float:
        """Return how many seconds to wait after a slice that found nothing."""
        return self.idle_seconds

    def test(self, connection: Connection) -> Sample:
        """Connect within a few seconds, change nothing, and say what was found. Raises SourceUnavailable."""
        raise NotImplementedError

    def partitions(self, connection: Connection, known: Mapping[str, Position]) -> Mapping[str, Position]:
        """Return the partitions to read now, by name, each with the position where it begins if it is new.

        ``known`` has those that are stored, with their positions. A position of a new one that is not None is where it
        begins whatever comes meanwhile, such as the end at this moment. One that is ENDED and is not returned is
        removed. Raises SourceUnavailable.
        """
        return {"": None}

    def seek(self, connection: Connection, partition: str, to: "SeekTarget") -> Position:
        """Return the position at a target, for the next ``open``. Raises SourceUnavailable, InvalidSettings."""
        raise NotImplementedError

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        """Connect and return a reader that begins at a position.

        Raises SourceUnavailable, PositionLost, PartitionEnded.
        """
        raise NotImplementedError

    def remove(self, connection: Connection) -> None:
        """Remove what the kind created in the other system, after the source was deleted. Raises SourceUnavailable."""


SeekTarget = Literal["earliest", "latest"] | datetime
"""Where to seek: the first record that exists, behind the last one, or the first at or after a time."""
