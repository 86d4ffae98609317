"""Claim check: store a large body outside its row and keep a ticket for it; a small body stays in the row.

Memory stays flat at any size: at most INLINE_MAX bytes and one chunk are held. ``keep`` returns only when the object is
complete and, on a file system, forced to disk, so a row never names an object that is missing.

Failure: StorageDown when the storage cannot be written; nothing is left behind then. A crash between the object and
its row leaves an orphan, which ``sweep.remove_orphans`` removes, judging its age by its name.

Used by ``webhooks.receiving`` for the bodies of receipts.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

FOLDER = "receipts"  # of the storage; below it one folder a day
INLINE_MAX = 64 * 1024  # the largest event every CloudEvents intermediary forwards: CloudEvents 1.0, Size Limits


class StorageDown(Exception):
    """Signal that the storage of large bodies cannot be written."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Describe a body: its size, SHA-256 and place. At most one of ``body`` and ``key`` is set."""

    size: int
    sha256: str
    body: bytes | None = None
    key: str = ""

    def discard(self) -> None:
        """Remove the object, if there is one, when no row will name it."""
        if self.key:
            _forget(storages["claims"], self.key)


def keep(chunks: Iterator[bytes], object_id: UUID, on_chunk: Callable[[bytes], None]) -> Ticket:
    """Read a body to its end, pass each chunk to ``on_chunk``, and keep it: inline if small, else in the storage.

    Raises StorageDown when a large body cannot be stored, and whatever ``chunks`` and ``on_chunk`` raise; nothing is
    left behind then.
    """
    body = _Body(chunks, on_chunk)
    head = body.read_up_to(INLINE_MAX + 1)
    if len(head) <= INLINE_MAX:
        return Ticket(body.size, body.sha256, body=head)
    key = _store(_Rest(head, body), object_id)
    return Ticket(body.size, body.sha256, key=key)


def measure(chunks: Iterator[bytes], on_chunk: Callable[[bytes], None]) -> Ticket:
    """Read a body to its end like ``keep`` without keeping it; the ticket has its size and digest."""
    body = _Body(chunks, on_chunk)
    for _ in body:
        pass
    return Ticket(body.size, body.sha256)


def born_at(key: str) -> datetime:
    """Return when the object was begun: the time in its UUIDv7 (RFC 9562, 5.7). ValueError if the name has none."""
    return datetime.fromtimestamp((UUID(hex=key.rsplit("/", 1)[-1]).int >> 80) / 1000, tz=UTC)


class _Body:
    """Iterate over the chunks while counting and digesting them."""

    def __init__(self, chunks: Iterator[bytes], on_chunk: Callable[[bytes], None]) -> None:
        self._chunks = chunks
        self._on_chunk = on_chunk
        self._digest = hashlib.sha256()
        self.size = 0
        self.failure: BaseException | None = None

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read_up_to(self, size: int) -> bytes:
        parts: list[bytes] = []
        held = 0
        for chunk in self:
            parts.append(chunk)
            held += len(chunk)
            if held >= size:
                break
        return b"".join(parts)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self.size += len(chunk)
                self._digest.update(chunk)
                self._on_chunk(chunk)
                yield chunk
        except Exception as error:
            self.failure = error
            raise


class _Rest(File):  # type: ignore[type-arg]
    """Present the body as a Django file: storages read by ``chunks`` or ``read``, which read from the network."""

    def __init__(self, head: bytes, body: _Body) -> None:
        super().__init__(None)
        self.body = body
        self._head = head
        self._pull = self._pieces()
        self._left = b""

    def _pieces(self) -> Iterator[bytes]:
        yield self._head
        yield from self.body

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        return self._pull

    def read(self, size: int = -1) -> bytes:
        parts = [self._left]
        held = len(self._left)
        while size < 0 or held < size:
            piece = next(self._pull, b"")
            if not piece:
                break
            parts.append(piece)
            held += len(piece)
        joined = b"".join(parts)
        cut = held if size < 0 else size
        self._left = joined[cut:]
        return joined[:cut]

    def seekable(self) -> bool:
        return False


def _store(rest: _Rest, object_id: UUID) -> str:
    storage = storages["claims"]
    key = f"{FOLDER}/{datetime.now(UTC):%Y-%m-%d}/{object_id.hex}"
    try:
        saved = storage.save(key, rest)
        _force_to_disk(storage, saved)
    except Exception as error:
        _forget(storage, key)
        if rest.body.failure is not None:
            raise rest.body.failure from None
        raise StorageDown(str(error)) from error
    return saved


def _force_to_disk(storage: Storage, key: str) -> None:
    """Sync the object and the folders that may be new today. Other storages return when the object is durable."""
    if not isinstance(storage, FileSystemStorage):
        return
    path = Path(storage.path(key))
    for name in (path, *list(path.parents)[:3]):
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _forget(storage: Storage, key: str) -> None:
    """Remove what a failed save left. If that fails too, the orphan sweep will."""
    with suppress(Exception):  # the failure that is reported already has the same cause
        storage.delete(key)
