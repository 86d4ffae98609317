"""Choose the shards of a stream to read: children after their parents, so that each partition key stays in order.

A shard that is split, or merged with another, gets no more records, and its records are followed by those of its
children. It stays listed until all of its records have expired.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from webhooks.sources.kinds.kind import ENDED, Position, SeekTarget

FIRST: Position = {"from": "TRIM_HORIZON"}


class Shard(NamedTuple):
    """A shard; ``parents``: those whose records come before; ``is_open``: it still gets records."""

    id: str
    parents: tuple[str, ...] = ()
    is_open: bool = True


def read_shard(written: Mapping[str, Any]) -> Shard:
    """Return a shard as the API lists it."""
    parents = (written.get("ParentShardId"), written.get("AdjacentParentShardId"))
    numbers = written.get("SequenceNumberRange") or {}
    return Shard(str(written["ShardId"]), tuple(filter(None, parents)), not numbers.get("EndingSequenceNumber"))


def at_time(time: datetime) -> Position:
    """Return the position of the first record at or after a time."""
    return {"from": "AT_TIMESTAMP", "time": time.timestamp()}


def shards_to_read(
    shards: Sequence[Shard], known: Mapping[str, Position], start: SeekTarget, now: datetime
) -> dict[str, Position]:
    """Return the shards to read, each with the position where it begins if it is new.

    A shard is read when all its parents have ended, as far as these are listed; ``known``: the positions of the shards
    that are stored. A source that starts at the latest record has ended all shards that are closed, and reads the open
    ones from ``now`` on.
    """
    listed = {it.id for it in shards}
    found = {it.id: known[it.id] for it in shards if it.id in known}
    if not known and start == "latest":
        return {it.id: at_time(now) if it.is_open else ENDED for it in shards}
    begin = at_time(start) if isinstance(start, datetime) else FIRST
    for shard in shards:
        is_next = all(known.get(parent) == ENDED for parent in shard.parents if parent in listed)
        if is_next and shard.id not in known:
            found[shard.id] = begin
    return found
