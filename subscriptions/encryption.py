"""Secrets are sealed on the way into the database and unsealed on the way out, under the operator's keys."""

from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings

from webhooks.kit.encryption import Sealer

__all__ = ["seal", "unseal"]


def seal(text: str) -> bytes:
    """What to store for this secret: different every time."""
    return _sealer(tuple(settings.WAYPOST_ENCRYPTION_KEYS)).seal(text)


def unseal(blob: bytes | memoryview) -> str:
    """The secret behind a stored value. Raises `webhooks.kit.encryption.BrokenSeal`."""
    return _sealer(tuple(settings.WAYPOST_ENCRYPTION_KEYS)).unseal(bytes(blob))


@lru_cache(maxsize=4)
def _sealer(keys: Sequence[str]) -> Sealer:
    return Sealer(keys)
