"""The three small grammars an attribute may have to follow: URIs, timestamps, media types.

RFC 3986 (URI-reference and absolute-URI), RFC 3339 (date-time) and RFC 2045/2046 (content type with
parameters), each checked to the letter: what passes here is understood the same way everywhere.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, wraps
from ipaddress import IPv6Address
from typing import TypeVar

_T = TypeVar("_T")

_REMEMBERED = 4096  # values, for sources, schemas and content types repeat
_SHORT = 512  # characters; what is longer is checked anew each time, or strangers would fill our memory

# RFC 3986, appendix A.
_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_NO_COLON = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@]|%[0-9A-Fa-f]{2})"
_USERINFO = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*"
_REG_NAME = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*"
_IP_LITERAL = r"\[(?:(?P<ipv6>[0-9A-Fa-f:.]+)|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
_AUTHORITY = rf"(?:{_USERINFO}@)?(?:{_IP_LITERAL}|{_REG_NAME})(?::[0-9]*)?"
_SEGMENTS = rf"(?:/{_PCHAR}*)*"
_AUTHORITY_PATH = rf"//{_AUTHORITY}{_SEGMENTS}"
_ABSOLUTE_PATH = rf"/(?:{_PCHAR}+{_SEGMENTS})?"
_ROOTLESS_PATH = rf"{_PCHAR}+{_SEGMENTS}"
_NO_SCHEME_PATH = rf"{_NO_COLON}+{_SEGMENTS}"
_QUERY = rf"(?:\?(?:{_PCHAR}|[/?])*)?"
_FRAGMENT = rf"(?:\#(?:{_PCHAR}|[/?])*)?"
_SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]*"
_ABSOLUTE_URI = rf"{_SCHEME}:(?:{_AUTHORITY_PATH}|{_ABSOLUTE_PATH}|{_ROOTLESS_PATH}|){_QUERY}"
_URI = re.compile(_ABSOLUTE_URI + _FRAGMENT)
_URI_WITHOUT_FRAGMENT = re.compile(_ABSOLUTE_URI)
_RELATIVE = re.compile(rf"(?:{_AUTHORITY_PATH}|{_ABSOLUTE_PATH}|{_NO_SCHEME_PATH}|){_QUERY}{_FRAGMENT}")

# RFC 3339, section 5.6. The ranges that need no calendar stand in the expression.
_TIMESTAMP = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)

# RFC 2045, section 5.1; the quoted-string and the empty parameter are those of RFC 9110, section 5.6.6.
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 (a token of the grammar)
_MEDIA_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?')
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})


def _remembered(check: Callable[[str], _T]) -> Callable[[str], _T]:
    known = lru_cache(_REMEMBERED)(check)

    @wraps(check)
    def remembering(value: str) -> _T:
        return known(value) if len(value) <= _SHORT else check(value)

    return remembering


@_remembered
def is_uri_reference(value: str) -> bool:
    """Is it a URI or a relative reference (RFC 3986 section 4.1)?"""
    return _is_uri(_URI, value) or _is_uri(_RELATIVE, value)


@_remembered
def is_absolute_uri(value: str) -> bool:
    """Is it an absolute URI (RFC 3986 section 4.3): with a scheme, without a fragment?"""
    return _is_uri(_URI_WITHOUT_FRAGMENT, value)


def _is_uri(grammar: re.Pattern[str], value: str) -> bool:
    found = grammar.fullmatch(value)
    if found is None:
        return False
    try:
        return not found["ipv6"] or bool(IPv6Address(found["ipv6"]).exploded)
    except ValueError:
        return False


def is_timestamp(value: str) -> bool:
    """Is it a date-time of RFC 3339 that exists? Second 60 exists only where a leap second may stand:
    at 23:59 UTC on the last day of a month (section 5.7)."""
    found = _TIMESTAMP.fullmatch(value)
    if found is None:
        return False
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if day > 28 and day > monthrange(year, month)[1]:
        return False
    return found[6] != "60" or _may_leap(found)


def _may_leap(found: re.Match[str]) -> bool:
    # The calendar repeats every 400 years; the shift keeps the years 0000 and 9999 within datetime's range.
    year = int(found[1]) % 400 + 2000
    here = datetime(year, int(found[2]), int(found[3]), int(found[4]), int(found[5]), tzinfo=UTC)
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    there = here + offset if found[7] == "-" else here - offset
    return (there + timedelta(minutes=1)).strftime("%d %H:%M") == "01 00:00"


def timestamp(instant: datetime) -> str:
    """An aware instant as RFC 3339 in UTC with microseconds: the form in which we write `time`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type, in lower case. `charset` is "" if none is named."""

    name: str
    charset: str

    @property
    def is_json(self) -> bool:
        """`*/json` or `*/*+json` (CloudEvents JSON format section 3.1.1)."""
        return self.name.endswith(("/json", "+json"))

    @property
    def is_text(self) -> bool:
        """May the data stand in JSON as a string? Text and XML whose bytes are UTF-8."""
        return self.is_utf8 and (self.name.startswith("text/") or self.name.endswith(("/xml", "+xml")))

    @property
    def is_utf8(self) -> bool:
        return self.charset in _UTF8


@_remembered
def media_type(value: str) -> MediaType | None:
    """Read a content type, or None if it is none. A parameter that comes twice counts the first time."""
    found = _MEDIA_TYPE.match(value)
    if found is None:
        return None
    charset, end = "", found.end()
    while end < len(value):
        parameter = _PARAMETER.match(value, end)
        if parameter is None:
            return None
        if parameter[1] and parameter[1].lower() == "charset":
            charset = charset or (parameter[2] or parameter[3] or "").lower()
        end = parameter.end()
    return MediaType(found[0].lower(), charset)
