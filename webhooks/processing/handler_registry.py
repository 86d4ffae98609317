"""The handlers a source may name, by the setting WAYPOST_HANDLERS (name -> dotted path), and a check that each exists.

A path may be its own name. ``publish`` leads into the provider by its path alone: neither wing imports the other,
and where the provider is not installed there is no such handler.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

BUILT_IN = {
    "log": "webhooks.processing.handlers.log_receipt",
    "publish": "delivery.publishing.publish_receipt.publish_receipt",
}


def handler_paths() -> dict[str, str]:
    """What a source may choose from: name -> dotted path."""
    built_in = {name: path for name, path in BUILT_IN.items() if apps.is_installed(path.partition(".")[0])}
    given = {**built_in, **getattr(settings, "WAYPOST_HANDLERS", {})}
    return {name: path for name, path in given.items() if path}


def check_handlers(**_options: Any) -> list[CheckMessage]:
    """A system check: every dotted path leads to a function."""
    return [
        Error(f"WAYPOST_HANDLERS: {name!r} leads nowhere: {path!r}", id="webhooks.E001")
        for name, path in handler_paths().items()
        if not _leads_somewhere(path)
    ]


def _leads_somewhere(path: str) -> bool:
    try:
        return callable(import_string(path))
    except ImportError:
        return False
