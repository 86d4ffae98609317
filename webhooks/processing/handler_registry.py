"""List the handlers a source may name, from the setting WAYPOST_HANDLERS (name -> dotted path), and check them.

A path may be its own name. ``publish`` is part of the provider and named by its path only: the receiver does not
import the provider, and without it there is no such handler.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

PUBLISH = "delivery.publishing.publish_receipt.publish_receipt"
BUILT_IN = {"log": "webhooks.processing.handlers.log_receipt", "publish": PUBLISH}

TOGETHER = {PUBLISH: "delivery.publishing.publish_receipt.publish_receipts"}
"""Handlers that have a second form for many receipts at once: it returns an exception, or None, for each."""

WITH_STEPS = frozenset({PUBLISH})
"""Handlers whose messages can be enriched and transformed: they take a function that changes the events."""


def takes_steps(name: str) -> bool:
    """Return whether a handler that a source names may have steps."""
    return handler_paths().get(name) in WITH_STEPS


def handler_paths() -> dict[str, str]:
    """Return the handlers a source may name: name -> dotted path."""
    built_in = {name: path for name, path in BUILT_IN.items() if apps.is_installed(path.partition(".")[0])}
    given = {**built_in, **settings.WAYPOST_HANDLERS}
    return {name: path for name, path in given.items() if path}


def check_handlers(**_options: Any) -> list[CheckMessage]:
    """Check that every dotted path names a function (system check)."""
    return [
        Error(f"WAYPOST_HANDLERS: {name!r} names no function: {path!r}", id="webhooks.E001")
        for name, path in handler_paths().items()
        if not _names_function(path)
    ]


def _names_function(path: str) -> bool:
    try:
        return callable(import_string(path))
    except ImportError:
        return False
