"""List the kinds of sources, and check settings against what a kind says of them.

A file is imported at its first use, because the library of its system may be absent, and costs memory.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from webhooks.kit.kinds import setting
from webhooks.kit.kinds.setting import InvalidSettings, not_installed
from webhooks.sources.kinds.kind import Kind

HTTP = "http"  # sources that senders post to: no file here, because their messages are not fetched
FILES: dict[str, str] = {}
"""By name of the kind: the dotted path of its class."""


def kind_names() -> list[str]:
    """Return the names of all kinds, ``http`` first."""
    return [HTTP, *FILES]


@cache
def find_kind(name: str) -> Kind:
    """Return a kind by name. Raises KeyError."""
    kind: Kind = import_string(FILES[name])()
    return kind


def check_settings(
    kind: Kind, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return settings with defaults, and credentials, as they are stored. Raises InvalidSettings with all faults."""
    if problem := not_installed(f"A source of the kind {kind.name}", kind.modules, kind.extra):
        raise InvalidSettings({"kind": problem})
    return setting.check_settings(kind.settings, settings, credentials)
