"""Store a body by claim check: a small one is returned for its row, a large one becomes an object in storage.

Memory is bounded at any size: at most ``INLINE_MAX`` bytes and one chunk. ``store_body`` returns when the object is
complete and, on a file system, synced to disk, so a row never names a missing object. A crash between object and row
leaves an orphaned object; ``sweep.remove_orphans`` removes it, by the time in its name.
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

FOLDER = "receipts"  # in the storage; it has one folder per day
INLINE_MAX = 64 * 1024  # bytes; the largest event every CloudEvents intermediary forwards: CloudEvents 1.0, Size Limits


class StorageDown(Exception):
    """The storage of large bodies cannot be written."""


@dataclass(frozen=True, slots=True)
class StoredBody:
    """Size and SHA-256 of a body, and the body itself or the key of its object (neither if it was only measured)."""

    size: int
    sha256: str
    body: bytes | None = None
    key: str = ""

    def discard(self) -> None:
        """Delete the object, if there is one, because no row will name it."""
        if self.key:
            _delete(storages["claims"], self.key)


def store_body(chunks: Iterator[bytes], object_id: UUID, on_chunk: Callable[[bytes], None]) -> StoredBody:
    """Read a body to its end, pass every chunk to ``on_chunk``, and store the body.

    Exceptions of ``chunks`` and ``on_chunk`` are raised unchanged, and nothing is stored. Raises StorageDown if a large
    body cannot be stored.
    """
    body = _Body(chunks, on_chunk)
    head = body.read_up_to(INLINE_MAX + 1)
    if len(head) <= INLINE_MAX:
        return StoredBody(body.size, body.sha256, body=head)
    key = _save(_UnreadFile(head, body), object_id)
    return StoredBody(body.size, body.sha256, key=key)


def measure_body(chunks: Iterator[bytes], on_chunk: Callable[[bytes], None]) -> StoredBody:
    """Read a body to its end like ``store_body``, but store nothing; return its size and SHA-256."""
    body = _Body(chunks, on_chunk)
    for _ in body:
        pass
    return StoredBody(body.size, body.sha256)


def created_at(key: str) -> datetime:
    """Return when the object was begun, from its UUIDv7 (RFC 9562, 5.7). Raises ValueError for a foreign name."""
    return datetime.fromtimestamp((UUID(hex=key.rsplit("/", 1)[-1]).int >> 80) / 1000, tz=UTC)


class _Body:
    """Chunks that are counted and hashed as they are read."""

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
        for chunk in self:
            parts.append(chunk)
            if self.size >= size:
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


class _UnreadFile(File):  # type: ignore[type-arg]
    """Present the rest of a body as the file that Django's storages save, by ``chunks`` or by ``read``."""

    def __init__(self, head: bytes, body: _Body) -> None:
        super().__init__(None)
        self.body = body
        self._head = head
        self._pieces = self._read_pieces()
        self._buffer = b""

    def _read_pieces(self) -> Iterator[bytes]:
        yield self._head
        yield from self.body

    def chunks(self, _chunk_size: int | None = None) -> Iterator[bytes]:
        return self._pieces

    def read(self, size: int = -1) -> bytes:
        parts = [self._buffer]
        length = len(self._buffer)
        while size < 0 or length < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece)
            length += len(piece)
        joined = b"".join(parts)
        end = length if size < 0 else size
        self._buffer = joined[end:]
        return joined[:end]

    def seekable(self) -> bool:
        return False


def _save(file: _UnreadFile, object_id: UUID) -> str:
    storage = storages["claims"]
    key = f"{FOLDER}/{datetime.now(UTC):%Y-%m-%d}/{object_id.hex}"
    try:
        saved = storage.save(key, file)
        _sync(storage, saved)
    except Exception as error:
        _delete(storage, key)
        if file.body.failure is not None:
            raise file.body.failure from None
        raise StorageDown(str(error)) from error
    return saved


def _sync(storage: Storage, key: str) -> None:
    """Sync the object, and the folders that may be new today. Other storages return when it is durable."""
    if not isinstance(storage, FileSystemStorage):
        return
    path = Path(storage.path(key))
    for name in (path, *list(path.parents)[:3]):
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _delete(storage: Storage, key: str) -> None:
    """Delete what a failed save left. If that fails too, the sweep deletes it as an orphan."""
    with suppress(Exception):  # the first failure is reported
        storage.delete(key)
