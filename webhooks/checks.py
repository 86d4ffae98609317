"""Check at start-up what the receiver needs of its project: PostgreSQL, encryption keys, a URL, storage for bodies.

The first two are for the provider too. A project that receives nothing needs neither the URL nor the storage.
"""

from typing import Any

from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, router
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import module_has_submodule


def check_project(**_options: Any) -> list[CheckMessage]:
    """Return an error for each missing part (system check)."""
    return [*_database(), *_keys(), *(_storage() if _has_inbound_url() else _inbound_url())]


def _database() -> list[CheckMessage]:
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    if "postgresql" not in engine and "postgis" not in engine:
        hint = "Other databases of the project may be of any kind, but the receiver's is the alias default."
        return [Error("The receiver needs PostgreSQL as the database default.", hint=hint, id="webhooks.E002")]
    models = apps.get_app_config("webhooks").get_models()
    routed = {alias for model in models for alias in (router.db_for_read(model), router.db_for_write(model))}
    if routed == {DEFAULT_DB_ALIAS}:
        return []
    hint = "Let the routers return None, or default, for models of the app webhooks; handlers may use other aliases."
    return [
        Error("A router sends tables of the receiver to another database than default.", hint=hint, id="webhooks.E005")
    ]


def _keys() -> list[CheckMessage]:
    keys = getattr(settings, "WAYPOST_ENCRYPTION_KEYS", None)
    try:
        if isinstance(keys, (list, tuple)) and [Fernet(key) for key in keys]:
            return []
    except (ValueError, TypeError):
        pass
    hint = "Generate one with cryptography.fernet.Fernet.generate_key().decode(), and protect it like SECRET_KEY."
    return [Error("WAYPOST_ENCRYPTION_KEYS must list at least one Fernet key.", hint=hint, id="webhooks.E003")]


def _has_inbound_url() -> bool:
    try:
        reverse("inbound", args=["src"])
    except (NoReverseMatch, ImproperlyConfigured):
        return False
    return True


def _inbound_url() -> list[CheckMessage]:
    if not any(module_has_submodule(app.module, "webhook_handlers") for app in apps.get_app_configs()):
        return []
    hint = 'path("", include("webhooks.inbound_urls")) in the URLs of the project.'
    return [Warning("There are handlers of webhooks, and no URL that receives any.", hint=hint, id="webhooks.W005")]


def _storage() -> list[CheckMessage]:
    if "claims" in settings.STORAGES:
        return []
    hint = "It stores bodies over 64 KiB, and must not be served on the web."
    return [Error('STORAGES must have a storage named "claims".', hint=hint, id="webhooks.E004")]
