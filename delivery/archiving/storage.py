"""Write and read the objects of the archive, in the storage ``archive`` of Django's setting ``STORAGES``.

A key contains the digest of the content: writing again after a crash writes the same object, and other content never
replaces it. A file is synced to disk before ``write_object`` returns.
"""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

import zstandard
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from delivery.archiving.models import Archive
from subscriptions.models import Tenant
from webhooks.kit.bodies.durable_files import sync_file
from webhooks.wire.ids import public

ALIAS = "archive"  # in STORAGES
SUFFIX = ".ndjson.zst"
LEVEL = 6  # of Zstandard: about a tenth of JSON is left, at about 100 MB/s
DIGEST_IN_KEY = 32  # hex digits


class ArchiveDown(Exception):
    """The storage of the archive cannot be reached, read or written now."""


class ArchiveChanged(Exception):
    """An object of the archive is missing, or is not what was written. The message names it."""


def is_on() -> bool:
    """Return whether events are archived before they are deleted: the storage is configured."""
    return ALIAS in settings.STORAGES


def digest_of(content: bytes) -> str:
    """Return the SHA-256 in hex."""
    return sha256(content).hexdigest()


def compress(lines: bytes) -> bytes:
    """Compress the lines of an object (RFC 8878): one frame with its size and a checksum."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True).compress(lines)


def folder_of(tenant_id: UUID) -> str:
    """Return the folder of a tenant, without a slash at the end."""
    return public(Tenant.prefix, tenant_id)


def write_object(tenant_id: UUID, hour: datetime, content: bytes) -> str:
    """Write the object unless it is there already; return its key. Raises ArchiveDown."""
    name = f"{folder_of(tenant_id)}/{hour:%Y/%m/%d/%H}-{digest_of(content)[:DIGEST_IN_KEY]}{SUFFIX}"
    try:
        return _write(storages[ALIAS], name, content)
    except Exception as error:
        raise ArchiveDown(f"{name} was not written: {type(error).__name__}: {error}") from error


def _write(storage: Storage, name: str, content: bytes) -> str:
    if storage.exists(name):
        with storage.open(name) as file:
            if file.read() == content:
                return name
        storage.delete(name)  # a part, left by a process that died
    key = storage.save(name, ContentFile(content))
    if isinstance(storage, FileSystemStorage):
        sync_file(storage.path(key), root=storage.location)
    if (size := storage.size(key)) != len(content):
        raise OSError(f"{size} of {len(content)} bytes were stored")
    return key


def read_object(row: Archive) -> bytes:
    """Return the lines of an object. Raises ArchiveDown, or ArchiveChanged if it is not what was written."""
    if not is_on():
        raise ArchiveDown("no storage is set up for the archive: set WAYPOST_ARCHIVE_URL")
    try:
        with storages[ALIAS].open(row.key) as file:
            content = file.read()
    except FileNotFoundError:
        raise ArchiveChanged(f"{row.key} is missing from the storage of the archive") from None
    except Exception as error:
        raise ArchiveDown(f"{row.key} was not read: {type(error).__name__}: {error}") from error
    if (found := digest_of(content)) != row.sha256:
        raise ArchiveChanged(f"{row.key} has changed since it was written: its SHA-256 is {found}, not {row.sha256}")
    return zstandard.ZstdDecompressor().decompress(content)
