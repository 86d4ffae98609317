"""Read and keep what `waypost login` stores: address, key and tenant, readable by their owner only.

The variables WAYPOST_URL, WAYPOST_KEY and WAYPOST_TENANT are used before it.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

LOCAL = "http://127.0.0.1:8000"


class Profile(NamedTuple):
    """Where the platform is, and as whom it is called."""

    url: str
    key: str
    tenant: str | None


class NoKey(Exception):
    """There is no key to call the platform with."""


def path() -> Path:
    """Return the file that keeps the profile."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "waypost" / "profile.json"


def load() -> Profile:
    """Return the profile. Raises NoKey."""
    kept = json.loads(path().read_text()) if path().exists() else {}
    key = os.environ.get("WAYPOST_KEY") or kept.get("key")
    if not key:
        raise NoKey("no key: run `waypost login`, or set WAYPOST_KEY")
    url = os.environ.get("WAYPOST_URL") or kept.get("url") or LOCAL
    return Profile(url, key, os.environ.get("WAYPOST_TENANT") or kept.get("tenant"))


def store(profile: Profile) -> Path:
    """Keep the profile, and return the file."""
    where = path()
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = where.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(profile._asdict(), indent=2) + "\n")
    draft.replace(where)
    return where
