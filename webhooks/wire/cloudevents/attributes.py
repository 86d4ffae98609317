"""Check the names and values of context attributes (CloudEvents 1.0.2 sections 2 to 4).

Every attribute is kept as a string in the canonical form of its type: an Integer 5 is "5", a Boolean "true" or
"false". HTTP headers have this form. An event keeps beside it which extensions are no strings, so that they are sent as
JSON numbers and booleans again.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from webhooks.wire.cloudevents.grammar import is_absolute_uri, is_timestamp, is_uri_reference, media_type
from webhooks.wire.errors import Fault, InvalidEvent
from webhooks.wire.json_numbers import JsonNumber

REQUIRED = ("specversion", "id", "source", "type")
OPTIONAL = ("subject", "time", "datacontenttype", "dataschema")
CORE = frozenset(REQUIRED + OPTIONAL)  # all of them strings in JSON
SPECVERSION = "1.0"

MISSING = Fault("is missing", "required")
NAME_RULE = "is not an attribute name; use a to z and 0 to 9 only, and not data"

_REQUIRED = frozenset(REQUIRED)
_MAX_SHOWN = 64  # characters of an invalid name in an error
_NAME = re.compile(r"(?!data\Z)[a-z0-9]+")
# CloudEvents section "Type System", String: no control characters, surrogates or noncharacters.
_FORBIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17))
    + "]"
)

# The check of each attribute, and the reason of InvalidEvent if it fails. An empty string fails all of them.
_RULES: dict[str, tuple[Callable[[str], object], str]] = {
    "specversion": (SPECVERSION.__eq__, f'is not "{SPECVERSION}"'),
    "id": (len, "is empty"),
    "source": (lambda value: value and is_uri_reference(value), "is not a URI-reference (RFC 3986)"),
    "type": (len, "is empty"),
    "subject": (len, "is empty"),
    "time": (is_timestamp, "is not a timestamp (RFC 3339)"),
    "datacontenttype": (media_type, "is not a content type (RFC 2046)"),
    "dataschema": (is_absolute_uri, "is not an absolute URI (RFC 3986 section 4.3)"),
    "dataref": (lambda value: value and is_uri_reference(value), "is not a URI-reference (RFC 3986)"),
}


def check(attributes: Mapping[str, str]) -> None:
    """Raise InvalidEvent for the first attribute that is missing or has an invalid name or value."""
    if not attributes.keys() >= _REQUIRED:
        missing = next(name for name in REQUIRED if name not in attributes)
        raise InvalidEvent(missing, MISSING.reason, code=MISSING.code)
    for name, value in attributes.items():
        _check_one(name, value)


def _check_one(name: str, value: object) -> None:
    if name not in CORE and not _NAME.fullmatch(name):
        raise InvalidEvent(shown(name), NAME_RULE)
    if not isinstance(value, str):
        raise InvalidEvent(name, "is not a string")
    if not (value.isascii() and value.isprintable()) and _FORBIDDEN.search(value):
        raise InvalidEvent(name, "has a control character, noncharacter or unpaired surrogate")
    rule = _RULES.get(name)
    if rule is not None and not rule[0](value):
        raise InvalidEvent(name, rule[1])


def all_faults(values: Mapping[str, object], required: Iterable[str] = REQUIRED) -> dict[str, Fault]:
    """Return what is wrong with each attribute, in the types that JSON gives them; None is no attribute.

    For the report on an event that was refused already: it takes more time than ``check``.
    """
    found = {name: MISSING for name in required if values.get(name) is None}
    for name, value in values.items():
        if value is not None:
            try:
                _check_one(name, canonical(name, value))
            except InvalidEvent as error:
                found.update(error.faults)
    return found


def is_extension_name(name: object) -> bool:
    """Return whether the name of an attribute follows section "Naming Conventions"."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def canonical(name: str, value: object) -> str:
    """Return the canonical string of a string, boolean or 32-bit integer. Raises InvalidEvent."""
    if isinstance(value, str):
        return value
    if name in CORE:
        raise InvalidEvent(name, "is not a string")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, JsonNumber) and value.text == "-0":
        raise InvalidEvent(shown(name), "is -0, which many libraries read as 0; give 0")
    if isinstance(value, JsonNumber) and value.text.lstrip("-").isdigit():
        raise InvalidEvent(shown(name), "is not a signed 32-bit integer")
    if not isinstance(value, int):
        raise InvalidEvent(shown(name), "is neither a string, a boolean nor an integer")
    if not -(2**31) <= value < 2**31:
        raise InvalidEvent(shown(name), "is not a signed 32-bit integer")
    return str(value)


def read_values(values: Mapping[str, object]) -> tuple[dict[str, str], dict[str, bool | int]]:
    """Return the attributes as canonical strings, and those of them that are booleans or integers; None is left out.

    Raises InvalidEvent.
    """
    named = {name: it if type(it) is str else canonical(name, it) for name, it in values.items() if it is not None}
    return named, {name: it for name, it in values.items() if isinstance(it, (bool, int))}


def shown(name: str) -> str:
    """Shorten and escape an invalid name for an error."""
    return name[:_MAX_SHOWN].encode("ascii", "backslashreplace").decode()
