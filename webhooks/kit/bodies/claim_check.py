"""Store a body by claim check: a small one is returned for its row, a large one becomes an object in storage.

A body is added chunk by chunk while it arrives. Up to ``INLINE_MAX`` bytes of it stay in memory. Of a larger one at
most ``FLUSH_BYTES`` and a chunk are in memory; the rest is on disk: in its object itself if the storage is a file
system, and otherwise in a temporary file that is uploaded once the body is complete and verified. So memory is flat at
any size, and nothing goes to a remote storage that is not kept.

``store`` returns when the object is complete and, on a file system, synced to disk, so a row never names a missing
object. A crash between object and row leaves an orphaned object; ``sweep.remove_orphans`` removes it, by the time in
its name.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import IO
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

from webhooks.kit.bodies.durable_files import sync_file
from webhooks.wire.ids import moment_of

FOLDER = "receipts"  # in the storage; it has one folder per day
INLINE_MAX = 64 * 1024  # bytes; the largest event every CloudEvents intermediary forwards: CloudEvents 1.0, Size Limits
FLUSH_BYTES = 256 * 1024  # bytes of a large body that are written at once
MIN_FREE_BYTES = 256 * 1024 * 1024  # or a twentieth of a small disk; the database and the logs may be on the same


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
        """Delete the object, if there is one, because no row will name it. May block if there is one."""
        if self.key:
            _delete(storages["claims"], self.key)


class IncomingBody:
    """A body while it arrives: counted, hashed, passed to ``on_chunk`` and, if ``is_kept``, kept.

    Call ``flush`` where ``add`` returns True, and at the end ``flush`` and ``store``. For a body of more than
    ``INLINE_MAX`` bytes these two may block.
    """

    def __init__(self, object_id: UUID, on_chunk: Callable[[bytes], None], *, is_kept: bool = True) -> None:
        self.size = 0
        self.pending = 0  # bytes that are not flushed
        self._object_id = object_id
        self._on_chunk = on_chunk
        self._is_kept = is_kept
        self._chunks: list[bytes] = []
        self._digest = hashlib.sha256()
        self._inline: bytes | None = None
        self._object: _Object | None = None

    @property
    def is_large(self) -> bool:
        """Return whether the body is too large for its row, so that ``flush``, ``store`` and ``discard`` may block."""
        return self.size > INLINE_MAX

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what was flushed."""
        return self._digest.hexdigest()

    @property
    def small(self) -> bytes | None:
        """Return what was flushed of a body for its row; None of a large one, and of one that is not kept."""
        return None if self.is_large else self._inline

    def add(self, chunk: bytes) -> bool:
        """Add the next chunk; return whether ``flush`` is due."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self.pending += len(chunk)
        return self.pending >= FLUSH_BYTES

    def flush(self) -> None:
        """Hash, pass on and write what was added. Raises StorageDown, and what ``on_chunk`` raises."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks, self.pending = [], 0
        self._digest.update(data)
        self._on_chunk(data)
        if not self._is_kept:
            return
        if not self.is_large:
            self._inline = data
            return
        try:
            if self._object is None:
                self._object = _begin_object(self._object_id)
            self._object.write(data)
        except Exception as error:
            raise StorageDown(str(error)) from error

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open what was flushed, to be read before it is stored. May block if the body is large. Raises StorageDown."""
        if self._object is None:
            yield BytesIO(self._inline or b"")
            return
        try:
            file = self._object.reopened()
        except OSError as error:
            raise StorageDown(str(error)) from error
        with file:
            yield file

    def store(self) -> StoredBody:
        """Complete the object of a large body; return the body. Raises StorageDown, and then nothing is stored."""
        if self._object is None:
            return StoredBody(self.size, self.sha256, body=self._inline)
        try:
            key = self._object.complete()
        except Exception as error:
            self.discard()
            raise StorageDown(str(error)) from error
        return StoredBody(self.size, self.sha256, key=key)

    def discard(self) -> None:
        """Delete what was written of a body that is not stored. May block if the body is large."""
        if self._object is not None:
            self._object.discard()
            self._object = None


def created_at(key: str) -> datetime:
    """Return when the object was begun, from its UUIDv7 (RFC 9562, 5.7). Raises ValueError for a foreign name."""
    return moment_of(UUID(hex=key.rsplit("/", 1)[-1]))


class _Object:
    """The object of a large body in a remote storage: a temporary file until the body is complete."""

    def __init__(self, storage: Storage, key: str, file: IO[bytes]) -> None:
        self._storage, self._key, self._file = storage, key, file

    def write(self, data: bytes) -> None:
        """Write the next part. Raises OSError."""
        if _is_nearly_full(self._file.fileno()):
            raise OSError("The disk is nearly full.")
        self._file.write(data)

    def reopened(self) -> IO[bytes]:
        """Open what was written for reading. Raises OSError."""
        reader = os.fdopen(os.dup(self._file.fileno()), "rb")
        reader.seek(0)
        return reader

    def complete(self) -> str:
        """Upload the file; return the key."""
        with self._file:
            self._file.seek(0)
            self._key = self._storage.save(self._key, File(self._file, name=self._key))
        return self._key

    def discard(self) -> None:
        """Delete the file, and what a failed upload left."""
        self._file.close()
        _delete(self._storage, self._key)


class _LocalObject(_Object):
    """The object of a large body in a file system: written in place."""

    _storage: FileSystemStorage

    def reopened(self) -> IO[bytes]:
        """Open the object for reading. Raises OSError."""
        return open(self._storage.path(self._key), "rb")

    def complete(self) -> str:
        """Sync the file, and the folders that may be new today; return the key."""
        self._file.close()
        sync_file(self._storage.path(self._key), root=self._storage.location)
        return self._key


def _begin_object(object_id: UUID) -> _Object:
    storage = storages["claims"]
    key = f"{FOLDER}/{datetime.now(UTC):%Y-%m-%d}/{object_id.hex}"
    if not isinstance(storage, FileSystemStorage):
        return _Object(storage, key, tempfile.TemporaryFile(buffering=0))
    saved = storage.save(key, ContentFile(b""))  # with the folders and permissions of the storage
    return _LocalObject(storage, saved, open(storage.path(saved), "ab", buffering=0))


def _is_nearly_full(handle: int) -> bool:
    disk = os.fstatvfs(handle)
    return disk.f_bavail * disk.f_frsize < min(MIN_FREE_BYTES, disk.f_blocks * disk.f_frsize // 20)


def _delete(storage: Storage, key: str) -> None:
    """Delete what a failed save left. If that fails too, the sweep deletes it as an orphan."""
    with suppress(Exception):  # the first failure is reported
        storage.delete(key)
