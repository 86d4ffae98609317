"""Keep the open readers of a process for the next slice."""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from webhooks.models import Source
from webhooks.readers.leases import Lease
from webhooks.sources.connections import connection_of
from webhooks.sources.kinds.kind import Position, Reader
from webhooks.sources.kinds.registry import find_kind

MAX_OPEN = 16  # readers that a process keeps open between slices


@dataclass(slots=True)
class OpenReader:
    """A reader, the version of the source it was opened for, and the position behind what it has fetched."""

    reader: Reader
    version: datetime
    position: Position


_open: OrderedDict[UUID, OpenReader] = OrderedDict()  # by partition, least recently used first


def take_reader(source: Source, lease: Lease) -> OpenReader:
    """Return a reader at the position of the lease: the one this process kept, or a new one. Raises SourceUnavailable.

    The caller gives it back by ``keep_reader``, or closes it after a failure. One that was kept is of no use if
    another process has read on meanwhile, or the source was changed.
    """
    kept = _open.pop(lease.id, None)
    if kept is not None:
        if kept.version == source.updated_at and kept.position == lease.position:
            return kept
        close_reader(kept)
    reader = find_kind(source.kind).open(connection_of(source), lease.partition, lease.position)
    return OpenReader(reader, source.updated_at, lease.position)


def keep_reader(lease: Lease, opened: OpenReader) -> None:
    """Keep a reader open for the next slice of its partition in this process."""
    _open[lease.id] = opened
    while len(_open) > MAX_OPEN:
        _, oldest = _open.popitem(last=False)
        close_reader(oldest)


def close_reader(opened: OpenReader) -> None:
    """Close a reader; what goes wrong then is of no interest."""
    with suppress(Exception):
        opened.reader.close()


def close_readers() -> None:
    """Close all readers that this process keeps."""
    while _open:
        close_reader(_open.popitem()[1])
