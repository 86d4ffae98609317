"""System checks: what the receiver needs of the project it is installed in, said at the start and not by a sender."""

from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_project(**_options: Any) -> list[CheckMessage]:
    """PostgreSQL, keys for the secrets, and a storage for large bodies."""
    return [*_database(), *_keys(), *_storage()]


def _database() -> list[CheckMessage]:
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    if "postgresql" in engine or "postgis" in engine:
        return []
    return [Error("The receiver keeps its receipts in PostgreSQL, and no other database.", id="webhooks.E002")]


def _keys() -> list[CheckMessage]:
    keys = getattr(settings, "WAYPOST_ENCRYPTION_KEYS", None)
    try:
        if isinstance(keys, (list, tuple)) and [Fernet(key) for key in keys]:
            return []
    except (ValueError, TypeError):
        pass
    hint = "Make one with cryptography.fernet.Fernet.generate_key().decode() and keep it as you keep SECRET_KEY."
    return [Error("WAYPOST_ENCRYPTION_KEYS must list at least one Fernet key.", hint=hint, id="webhooks.E003")]


def _storage() -> list[CheckMessage]:
    if "claims" in settings.STORAGES:
        return []
    hint = "Bodies over 64 KiB go there: no address of the web may lead to it."
    return [Error('STORAGES must have a storage called "claims".', hint=hint, id="webhooks.E004")]
