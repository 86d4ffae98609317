"""Check the grammars that an attribute may have to follow: URIs, timestamps, media types.

RFC 3986 (URI-reference and absolute-URI), RFC 3339 (date-time) and RFC 2045/2046 (content type with parameters), each
without extensions. URIs are checked by jsonschema_rs, which agrees with RFC 3986 appendix A. Its date-time format does
not: it accepts a year like "040." and a leap second on any day, so timestamps are checked here.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from jsonschema_rs import Draft202012Validator

_CACHED = 4096  # content types, which repeat
_MAX_CACHED = 512  # characters; longer content types are not cached, so that a sender cannot fill the memory

_URI = Draft202012Validator({"format": "uri"}, validate_formats=True)
_URI_REFERENCE = Draft202012Validator({"format": "uri-reference"}, validate_formats=True)

# RFC 3339 section 5.6, with the ranges that need no calendar.
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


def is_uri_reference(value: str) -> bool:
    """Return whether the text is a URI or a relative reference (RFC 3986 section 4.1)."""
    return value.isascii() and _URI_REFERENCE.is_valid(value)


def is_absolute_uri(value: str) -> bool:
    """Return whether the text is an absolute URI: with a scheme, without a fragment (RFC 3986 section 4.3)."""
    return value.isascii() and "#" not in value and _URI.is_valid(value)


def is_timestamp(value: str) -> bool:
    """Return whether the text is a date-time of RFC 3339 that exists.

    Second 60 exists only at 23:59 UTC on the last day of a month, where a leap second may be (section 5.7).
    """
    match = _TIMESTAMP.fullmatch(value)
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if day > 28 and day > monthrange(year, month)[1]:
        return False
    return match[6] != "60" or _is_leap_second(match)


def _is_leap_second(match: re.Match[str]) -> bool:
    # The calendar repeats every 400 years; the shift keeps the years 0000 and 9999 within datetime's range.
    year = int(match[1]) % 400 + 2000
    local = datetime(year, int(match[2]), int(match[3]), int(match[4]), int(match[5]), tzinfo=UTC)
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    utc = local + offset if match[7] == "-" else local - offset
    return (utc + timedelta(minutes=1)).strftime("%d %H:%M") == "01 00:00"


def timestamp(instant: datetime) -> str:
    """Write an aware datetime as RFC 3339 in UTC with microseconds, as in the attribute `time`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type, in lower case. `charset` is "" if there is none."""

    name: str
    charset: str

    @property
    def is_json(self) -> bool:
        """Return whether the type is `*/json` or `*/*+json` (CloudEvents JSON format section 3.1.1)."""
        return self.name.endswith(("/json", "+json"))

    @property
    def is_text(self) -> bool:
        """Return whether JSON may contain the data as a string: text and XML in UTF-8."""
        return self.is_utf8 and (self.name.startswith("text/") or self.name.endswith(("/xml", "+xml")))

    @property
    def is_utf8(self) -> bool:
        """Return whether the charset is UTF-8 or a subset of it."""
        return self.charset in _UTF8


def media_type(value: str) -> MediaType | None:
    """Parse a content type; None if it is invalid. Of a repeated charset parameter the first counts."""
    return _parse_cached(value) if len(value) <= _MAX_CACHED else _parse(value)


def _parse(value: str) -> MediaType | None:
    names = _MEDIA_TYPE.match(value)
    if names is None:
        return None
    charset, end = "", names.end()
    while end < len(value):
        parameter = _PARAMETER.match(value, end)
        if parameter is None:
            return None
        if parameter[1] and parameter[1].lower() == "charset":
            charset = charset or (parameter[2] or parameter[3] or "").lower()
        end = parameter.end()
    return MediaType(names[0].lower(), charset)


_parse_cached = lru_cache(_CACHED)(_parse)
