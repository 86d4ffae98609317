"""Write and read the directory of a backup.

    database.dump    everything that the database has, as of one moment
    claims/          large bodies, if they are stored on this machine; those in object storage stay there
    backup.json      the version that made it, and when

The encryption keys themselves are not in it: it can be stored where the keys must not be.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage, storages
from django.db import connection

from config.backup import postgresql
from config.backup.postgresql import BackupFailed
from webhooks.encryption.check import keys_problem
from webhooks.version import VERSION

DUMP, CLAIMS, ABOUT = "database.dump", "claims", "backup.json"


def back_up(directory: Path) -> list[str]:
    """Back up the platform into a directory that does not exist yet; return what to know about it, in lines."""
    try:
        directory.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BackupFailed(f"cannot create {directory}: {error.strerror}") from None
    connection.ensure_connection()
    postgresql.dump(connection.get_connection_params(), directory / DUMP)
    said = [f"database: {(directory / DUMP).stat().st_size:,} bytes"]
    claims = _local_claims()
    if claims is None:
        said.append("large bodies are in object storage, and not in this backup: version that storage")
    elif claims.is_dir():
        shutil.copytree(claims, directory / CLAIMS)
    about = {"version": VERSION, "made_at": datetime.now(UTC).isoformat(timespec="seconds")}
    (directory / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    return [*said, "keep WAYPOST_ENCRYPTION_KEYS in another place: without them the secrets in it cannot be read"]


def restore(directory: Path) -> list[str]:
    """Restore the platform from the directory of a backup into an empty database; return what to know about it."""
    about = about_of(directory)
    connection.ensure_connection()
    parameters = connection.get_connection_params()
    connection.close()
    postgresql.restore(parameters, directory / DUMP)
    claims = _local_claims()
    if claims is not None and (directory / CLAIMS).is_dir():
        shutil.copytree(directory / CLAIMS, claims, dirs_exist_ok=True)
    said = [f"restored what version {about['version']} had at {about['made_at']}"]
    if about["version"] != VERSION:
        said.append(f"this is version {VERSION}: run waypost-server upgrade --no-backup before the programs start")
    elif problem := keys_problem():
        said.append(problem)
    return said


def about_of(directory: Path) -> dict[str, Any]:
    """Return what a backup says about itself. Raises BackupFailed."""
    try:
        found: dict[str, Any] = json.loads((directory / ABOUT).read_text())
    except (OSError, ValueError):
        raise BackupFailed(f"{directory} has no {ABOUT}: it is no backup, or one that was not finished") from None
    return found


def _local_claims() -> Path | None:
    """Return the directory of large bodies; None if they are in object storage."""
    storage = storages["claims"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None
