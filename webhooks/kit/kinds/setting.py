"""Declare one setting of a kind, and check what is given for all settings of a kind.

Members of ``settings`` are shown; those of ``credentials`` are encrypted and never shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, Self

from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse
from webhooks.wire.errors import did_you_mean

MAX_UNKNOWN = 10  # settings that are named: finding what each resembles takes about 0.1 ms
MIN_MASKED = 4  # characters of a credential; a shorter one is part of many words
SETTING_TYPES = ("text", "number", "boolean", "texts", "object")


class SettingFault(str):
    """A message about one setting, with the ``code`` of the fault, which the API shows."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, text: str, code: str) -> Self:
        """Return the message as a text."""
        fault = super().__new__(cls, text)
        fault.code = code
        return fault


class InvalidSettings(ValueError):
    """Settings that cannot work; ``problems`` has a message for each wrong one, by ``settings.name``."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a kind: the form field, the check and the documentation of one member of ``settings``.

    A credential is a member of ``credentials`` instead: encrypted, and never shown.
    """

    name: str
    label: str
    help_text: str
    type: Literal["text", "number", "boolean", "texts", "object"] = "text"
    is_required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    max_length: int = 2048
    is_credential: bool = False
    names_place: bool = False
    """Another value is another place (host, topic, table): positions of the former one are dropped."""
    example: str = ""

    @property
    def path(self) -> str:
        """Return the name of the field in errors, such as ``settings.topic`` or ``credentials.password``."""
        return f"{'credentials' if self.is_credential else 'settings'}.{self.name}"


def missing_modules(modules: Iterable[str]) -> list[str]:
    """Return the modules that are not installed."""
    return [name for name in modules if find_spec(name.partition(".")[0]) is None]


def not_installed(name: str, modules: Sequence[str], extra: str) -> str:
    """Return the message that a kind needs modules that are not installed; empty if all are."""
    missing = missing_modules(modules)
    return "" if not missing else f"{name} needs {', '.join(missing)}, not installed here: waypost[{extra}] brings it."


def url_problem(url: str, path: str) -> dict[str, str]:
    """Return what is wrong with a URL, by the path of its setting; empty if nothing is."""
    try:
        parse(url, allow_http=True)
    except ForbiddenAddress as error:
        return {path: str(error)}
    return {}


def masked(text: str, credentials: Mapping[str, str]) -> str:
    """Return a text without the credentials, since the other system may repeat what it was sent."""
    for secret in sorted(credentials.values(), key=len, reverse=True):
        if len(secret) >= MIN_MASKED:
            text = text.replace(secret, "***")
    return text


def check_settings(
    declared: Sequence[Setting], settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return settings with defaults, and credentials, each checked by itself. Raises InvalidSettings with all."""
    problems: dict[str, str] = {}
    checked: dict[str, dict[str, Any]] = {"settings": {}, "credentials": {}}
    for part, given in (("settings", settings), ("credentials", credentials)):
        known = [it for it in declared if it.is_credential == (part == "credentials")]
        for name in sorted(given.keys() - {it.name for it in known})[:MAX_UNKNOWN]:
            problems[f"{part}.{name}"] = _unknown(name, [it.name for it in known])
        for setting in known:
            value = given.get(setting.name)
            if setting.is_required and (value is None or value == ""):
                problems[setting.path] = SettingFault("Is required.", "required")
                continue
            try:
                value = _checked(setting, value)
            except ValueError as error:
                problems[setting.path] = str(error)
            else:
                if value is not None:
                    checked[part][setting.name] = value
    if problems:
        raise InvalidSettings(problems)
    return checked["settings"], checked["credentials"]


def _unknown(name: str, known: Sequence[str]) -> SettingFault:
    meant = did_you_mean(name, known)
    must = f"must be one of: {_listed(known)}."
    return SettingFault(f"Unknown; {f'{meant} It {must}' if meant else must}", "unknown")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _checked(setting: Setting, value: Any) -> Any:
    """Return a value as it is stored; None if there is none. Raises ValueError with a sentence."""
    if value is None or value == "":
        return setting.default
    return _CHECKS[setting.type](setting, value)


def _text(setting: Setting, value: Any) -> str:
    if setting.choices and (not isinstance(value, str) or value not in setting.choices):
        raise ValueError(f"Must be one of: {_listed(setting.choices)}.")
    if not isinstance(value, str):
        raise ValueError("Must be a string.")
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
