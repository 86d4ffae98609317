"""Write and read the objects of the archive, in the storage ``archive`` of Django's setting ``STORAGES``.

A key contains the digest of the content: writing again after a crash writes the same object, and other content never
replaces it. A file is synced to disk before ``write_object`` returns.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import zstandard
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils import timezone

from delivery.archiving.models import Archive
from subscriptions.models import Tenant
from webhooks.kit.bodies.durable_files import sync_file
from webhooks.wire.ids import public

ALIAS = "archive"  # in STORAGES
SUFFIX = ".ndjson.zst"
LEVEL = 6  # of Zstandard: about a tenth of JSON is left, at about 100 MB/s
DIGEST_IN_KEY = 32  # hex digits
REUSED_WITHIN = timedelta(minutes=1)  # an object without a row


class ArchiveDown(Exception):
    """The storage of the archive cannot be reached, read or written now."""


class ArchiveChanged(Exception):
    """An object of the archive is missing, or is not what was written. The message names it."""


class ArchiveMissing(ArchiveChanged):
    """An object of the archive is not in its storage."""


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
    """Write the object unless it is there already; return its key. Raises ArchiveDown.

    One that has been there for a while is written again: what has no row after minutes may be deleted.
    """
    name = f"{folder_of(tenant_id)}/{hour:%Y/%m/%d/%H}-{digest_of(content)[:DIGEST_IN_KEY]}{SUFFIX}"
    try:
        return _write(storages[ALIAS], name, content)
    except Exception as error:
        raise ArchiveDown(f"{name} was not written: {type(error).__name__}: {error}") from error


def _write(storage: Storage, name: str, content: bytes) -> str:
    if storage.exists(name):
        with storage.open(name) as file:
            is_whole = file.read() == content
        if is_whole and not is_older(name, REUSED_WITHIN):
            return name
        storage.delete(name)  # left by a process that died
    key = storage.save(name, ContentFile(content))
    if isinstance(storage, FileSystemStorage):
        sync_file(storage.path(key), root=storage.location)
    if (size := storage.size(key)) != len(content):
        raise OSError(f"{size} of {len(content)} bytes were stored")
    return key


def read_object(row: Archive) -> bytes:
    """Return the lines of an object. Raises ArchiveDown, or ArchiveChanged if it is not what was written.

    If an erasure has written it anew meanwhile, and deleted what the row named, the row is read again first.
    """
    try:
        return _read(row)
    except ArchiveChanged:
        anew = Archive.objects.filter(id=row.id).exclude(key=row.key).first()
        if anew is None:
            raise
    row.key, row.bytes, row.sha256 = anew.key, anew.bytes, anew.sha256
    return _read(row)


def _read(row: Archive) -> bytes:
    try:
        content = read_file(row.key)
    except FileNotFoundError:
        raise ArchiveMissing(f"{row.key} is missing from the storage of the archive") from None
    if (found := digest_of(content)) != row.sha256:
        raise ArchiveChanged(f"{row.key} has changed since it was written: its SHA-256 is {found}, not {row.sha256}")
    return decompress(content)


def read_file(key: str) -> bytes:
    """Return an object as it is stored, with or without a row. Raises FileNotFoundError and ArchiveDown."""
    if not is_on():
        raise ArchiveDown("no storage is set up for the archive: set WAYPOST_ARCHIVE_URL")
    try:
        with storages[ALIAS].open(key) as file:
            content: bytes = file.read()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ArchiveDown(f"{key} was not read: {type(error).__name__}: {error}") from error
    return content


def decompress(content: bytes) -> bytes:
    """Return the lines of an object. Raises zstandard.ZstdError if it is none, or a part of one."""
    return zstandard.ZstdDecompressor().decompress(content)


def delete_object(key: str) -> None:
    """Delete an object; one that is missing is none less. Raises ArchiveDown."""
    try:
        storages[ALIAS].delete(key)
    except Exception as error:
        raise ArchiveDown(f"{key} was not deleted: {type(error).__name__}: {error}") from error


def is_older(key: str, age: timedelta) -> bool:
    """Return whether an object was written longer ago than this. Raises ArchiveDown."""
    try:
        written: datetime = storages[ALIAS].get_modified_time(key)
    except Exception as error:
        raise ArchiveDown(f"{key} was not found: {type(error).__name__}: {error}") from error
    return written < timezone.now() - age


def is_empty() -> bool:
    """Return whether there is nothing in the storage, as in a directory that is not mounted. Raises ArchiveDown."""
    try:
        folders, names = storages[ALIAS].listdir("")
    except Exception as error:
        raise ArchiveDown(f"the storage was not listed: {type(error).__name__}: {error}") from error
    return not folders and not names
