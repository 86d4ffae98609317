"""Normalize header names, and encode CloudEvents attribute values for headers.

The encoding is that of the CloudEvents HTTP binding 1.0.2, section 3.1.3.2. Encoding changes only the characters that
must be encoded. Decoding accepts quoted strings and spaces, which older senders write, and rejects an unclosed quoted
string, a percent sign without two hexadecimal digits, and bytes that are not UTF-8.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

_UNSAFE = re.compile(r'[^!-~]|["%]')  # everything outside U+0021-U+007E, the double quote, the percent sign
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')  # quoted-string, RFC 9110 section 5.6.4
_WELL_QUOTED = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*")*')
_ESCAPED = re.compile(r"\\(.)")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_name(text: str) -> bool:
    """Return whether the text is a valid header name (a token, RFC 9110 section 5.6.2)."""
    return _NAME.fullmatch(text) is not None


class LowerCaseHeaders(dict[str, str]):
    """Headers whose names are in lower case, so that no reader has to convert them again."""


def lowered(headers: Mapping[str, str]) -> LowerCaseHeaders:
    """Return the headers under lower-case names; repeated names are joined by commas (RFC 9110 section 5.3)."""
    if isinstance(headers, LowerCaseHeaders):
        return headers
    fields = LowerCaseHeaders()
    for name, value in headers.items():
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


def encode(value: str) -> str:
    """Encode an attribute value as a header value: printable ASCII without spaces."""
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def decode(value: str) -> str:
    """Decode a header value, once. Raises ValueError with the reason."""
    if '"' in value:
        value = _unquoted(value)
    if not value.isascii():
        raise ValueError("has a character outside ASCII that is not percent-encoded")
    if "%" not in value:
        return value
    if _BROKEN.search(value):
        raise ValueError("has a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise ValueError("is percent-encoded bytes that are not UTF-8") from None


def _unquoted(value: str) -> str:
    if not _WELL_QUOTED.fullmatch(value):
        raise ValueError("has an unclosed quoted string")
    return _QUOTED.sub(lambda match: _ESCAPED.sub(r"\1", match[1]), value)


def curl_line(name: str, value: str) -> str:
    """Return a header as libcurl takes it. ``name:`` would leave the header out; an empty one is ``name;``."""
    return f"{name}: {value}" if value else f"{name};"


def read_curl_line(line: str) -> tuple[str, str | None]:
    """Return name and value of a header that libcurl takes; None: the header is left out."""
    name, colon, value = line.partition(":")
    if not colon:
        return name.rstrip(";"), ""
    return name, value.strip() or None
