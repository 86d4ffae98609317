"""Check the encryption keys against what is stored.

A machine with other keys could decrypt no secret: each delivery would fail, and use an attempt of its retry plan. So
the first process that uses a key stores a value encrypted with it, and a process that cannot decrypt all of these
values delivers, reads and processes nothing (``with_keys``), is not ready (``/readyz``), and does not start (``up``).
"""

import hashlib
import time
from collections.abc import Callable
from functools import wraps

from django.conf import settings

from webhooks import telemetry
from webhooks.encryption.models import EncryptionKey
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt

LOG_EVERY = 60.0  # seconds between two log lines about keys that are missing

_checked: set[tuple[str, ...]] = set()  # lists of keys that decrypt all that is stored
_logged_at = float("-inf")


def keys_problem() -> str:
    """Return what is wrong with the keys; empty if they decrypt all that is stored. Stores a value of a new first key.

    The message has fingerprints, never keys.
    """
    keys = tuple(settings.WAYPOST_ENCRYPTION_KEYS)
    if keys in _checked:
        return ""
    if not keys:
        return "WAYPOST_ENCRYPTION_KEYS must list at least one key."
    first = fingerprint(keys[0])
    if not (problem := _missing()) and not EncryptionKey.objects.filter(fingerprint=first).exists():
        new = EncryptionKey(fingerprint=first, ciphertext=encrypt(first))
        EncryptionKey.objects.bulk_create([new], ignore_conflicts=True)
        problem = _missing()  # another machine may have begun with another key just now
    if not problem:
        _checked.add(keys)
    return problem


def fingerprint(key: str) -> str:
    """Return the name of a key in messages and in the table."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def with_keys(run: Callable[[], object]) -> Callable[[], object]:
    """Return the run of a task that does nothing, and logs why, where the keys are not those of the stored values."""

    @wraps(run)
    def run_with_keys() -> object:
        problem = keys_problem()
        if not problem:
            return run()
        _log(problem)
        return None

    return run_with_keys


def forget() -> None:
    """Check again at the next use."""
    _checked.clear()


def _missing() -> str:
    """Return a message that names the keys without which stored values cannot be decrypted; empty: none is missing."""
    stored = EncryptionKey.objects.order_by("fingerprint").values_list("fingerprint", "ciphertext")
    missing = [name for name, ciphertext in stored if not _decrypts(ciphertext, name)]
    if not missing:
        return ""
    return (
        f"WAYPOST_ENCRYPTION_KEYS lacks the key {', '.join(missing)}, with which values are stored. "
        "Add it behind the first key."
    )


def _decrypts(ciphertext: bytes | memoryview, expected: str) -> bool:
    try:
        return decrypt(ciphertext) == expected
    except CannotDecrypt:
        return False


def _log(problem: str) -> None:
    global _logged_at  # noqa: PLW0603 (one line for all tasks of this process)
    if time.monotonic() - _logged_at >= LOG_EVERY:
        _logged_at = time.monotonic()
        telemetry.log_keys_missing(problem)
