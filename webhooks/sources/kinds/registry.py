"""List the kinds of sources, and check settings against what a kind says of them.

A file is imported at its first use, because the library of its system may be absent, and costs memory.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from django.utils.module_loading import import_string

from webhooks.sources.kinds.kind import InvalidSettings, Kind, Setting

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


def missing_modules(kind: Kind) -> list[str]:
    """Return the modules of a kind that are not installed."""
    return [name for name in kind.modules if find_spec(name.partition(".")[0]) is None]


def check_settings(
    kind: Kind, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return settings with defaults, and credentials, each checked by itself. Raises InvalidSettings with all."""
    problems: dict[str, str] = {}
    if missing := missing_modules(kind):
        problems["kind"] = (
            f"Sources of the kind {kind.name} need {', '.join(missing)}, which is not installed; "
            f"install waypost[{kind.extra}]."
        )
    checked: dict[str, dict[str, Any]] = {"settings": {}, "credentials": {}}
    for part, given in (("settings", settings), ("credentials", credentials)):
        known = [it for it in kind.settings if it.is_credential == (part == "credentials")]
        for name in given.keys() - {it.name for it in known}:
            problems[f"{part}.{name}"] = f"Unknown; must be one of: {_listed(it.name for it in known)}."
        for setting in known:
            try:
                value = _checked(setting, given.get(setting.name))
            except ValueError as error:
                problems[setting.path] = str(error)
            else:
                if value is not None:
                    checked[part][setting.name] = value
    if problems:
        raise InvalidSettings(problems)
    return checked["settings"], checked["credentials"]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _checked(setting: Setting, value: Any) -> Any:
    """Return a value as it is stored; None if there is none. Raises ValueError with a sentence."""
    if value is None or value == "":
        if setting.is_required:
            raise ValueError("Is required.")
        return setting.default
    return _CHECKS[setting.type](setting, value)


def _text(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be a string.")
    if setting.choices and value not in setting.choices:
        raise ValueError(f"Must be one of: {_listed(setting.choices)}.")
    if len(value) > setting.max_length:
        raise ValueError(f"Must be at most {setting.max_length} characters.")
    if any(ord(character) < 32 and (character not in "\r\n\t" or not setting.is_credential) for character in value):
        raise ValueError("Must not contain control characters.")
    return value


def _number(setting: Setting, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("Must be an integer.")
    if setting.minimum is not None and value < setting.minimum:
        raise ValueError(f"Must be at least {setting.minimum}.")
    if setting.maximum is not None and value > setting.maximum:
        raise ValueError(f"Must be at most {setting.maximum}.")
    return value


def _boolean(_setting: Setting, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Must be true or false.")
    return value


def _texts(setting: Setting, value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise ValueError("Must be an array of strings, at least one.")
    return [_text(setting, it) for it in value]


def _object(_setting: Setting, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("Must be an object.")
    return value


_CHECKS = {"text": _text, "number": _number, "boolean": _boolean, "texts": _texts, "object": _object}
