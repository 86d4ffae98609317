"""Sync a file of a storage to disk, with the folders that may be new, so that it outlives a loss of power."""

import os
from pathlib import Path


def sync_file(path: str, *, root: str | os.PathLike[str]) -> None:
    """Sync a file and its folders up to ``root``, which is synced too. Raises OSError."""
    _sync(Path(path))
    for folder in Path(path).parents:
        _sync(folder)
        if folder == Path(root):
            break


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
