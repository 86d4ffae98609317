"""Find an older version of the code in the history of this repository."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = [f"{app}/migrations" for app in ("webhooks", "subscriptions", "delivery", "config")]


def git(*words: str) -> bytes:
    """Return what git prints about this repository; nothing without git or a repository."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], check=False, capture_output=True).stdout
    except OSError:
        return b""


@cache
def oldest_commit() -> str:
    """Return the commit that last changed or removed a migration that there was; empty without the history.

    Later ones have only added migrations, so its code runs with today's tables
    (tests/config/upgrade/test_every_migration.py).
    """
    if git("rev-parse", "--is-shallow-repository").strip() != b"false":
        return ""
    return git("log", "-1", "--format=%H", "--diff-filter=MDR", "--", *MIGRATIONS).decode().strip()


def absence() -> list[str]:
    """Return a sentence if there is no older version here."""
    return [] if oldest_commit() else ["left out here: an older version beside today's, since there is no git history"]
