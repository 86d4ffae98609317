"""Keep a body, get a ticket: a small one is handed back to stand in its row, a large one lies in storage.

Memory stays flat at any size: never more than ``INLINE_MAX`` bytes and one chunk are held. ``keep`` returns only
when the object is complete and, on a file system, forced to disk, so a row that names an object never lies. The
other way round can happen (a crash after the object and before the row) and is put right by
``sweep.remove_orphans``, which knows an object's age from its name.
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
    """The storage of large bodies cannot be written."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a body is, how long it is and its SHA-256. At most one of ``body`` and ``key`` is set."""

    size: int
    sha256: str
    body: bytes | None = None
    key: str = ""

    def discard(self) -> None:
        """Remove the object, if there is one: no row will name it."""
        if self.key:
            _forget(storages["claims"], self.key)


def keep(chunks: Iterator[bytes], object_id: UUID, look: Callable[[bytes], None]) -> Ticket:
    """Take a body to its end, showing every chunk to ``look``. Whatever ``chunks`` and ``look`` raise comes through
    and leaves nothing behind. Raises StorageDown when a large body cannot be stored."""
    body = _Body(chunks, look)
    head = body.read_up_to(INLINE_MAX + 1)
    if len(head) <= INLINE_MAX:
        return Ticket(body.size, body.sha256, body=head)
    key = _store(_Rest(head, body), object_id)
    return Ticket(body.size, body.sha256, key=key)


def weigh(chunks: Iterator[bytes], look: Callable[[bytes], None]) -> Ticket:
    """Take a body to its end like ``keep``, and keep nothing of it: the ticket says what was there."""
    body = _Body(chunks, look)
    for _ in body:
        pass
    return Ticket(body.size, body.sha256)


def born_at(key: str) -> datetime:
    """When the object was begun: the time in its UUIDv7 (RFC 9562, 5.7). ValueError if the name is not ours."""
    return datetime.fromtimestamp((UUID(hex=key.rsplit("/", 1)[-1]).int >> 80) / 1000, tz=UTC)


class _Body:
    """Chunks as they come, measured and digested on their way."""

    def __init__(self, chunks: Iterator[bytes], look: Callable[[bytes], None]) -> None:
        self._chunks = chunks
        self._look = look
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
                self._look(chunk)
                yield chunk
        except Exception as error:
            self.failure = error
            raise


class _Rest(File):  # type: ignore[type-arg]
    """What Django's storages save: they pull, by ``chunks`` or by ``read``, and we pull from the network."""

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
    """The object, and the folders that may be new today. Other storages answer when it is durable."""
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
    with suppress(Exception):  # it is the same trouble that is being reported already
        storage.delete(key)
