"""Header fields: names in any case, each name once, and CloudEvents values percent-encoded.

The codec is that of the CloudEvents HTTP binding 1.0.2, section 3.1.3.2. Writing encodes what has to be
encoded and nothing more. Reading accepts what older senders wrote (quoted strings, bare spaces) and refuses
what nobody can have meant: half a quoted string, a percent sign without two digits, bytes that are not UTF-8.
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
    """Could a header be called this?"""
    return _NAME.fullmatch(text) is not None


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers under lower-case names. A name that comes twice is one list (RFC 9110 section 5.3)."""
    fields: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def encode(value: str) -> str:
    """An attribute value as a header value: pure printable ASCII, without spaces."""
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), value)


def decode(value: str) -> str:
    """A header value as an attribute value; exactly one round of percent-decoding. Raises ValueError."""
    if '"' in value:
        value = _unquoted(value)
    if not value.isascii():
        raise ValueError("has a character outside ASCII that is not percent-encoded")
    if "%" not in value:
        return value
    if _BROKEN.search(value):
        raise ValueError("has a percent sign that encodes nothing")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise ValueError("is percent-encoded, but not as UTF-8") from None


def _unquoted(value: str) -> str:
    if not _WELL_QUOTED.fullmatch(value):
        raise ValueError("has a quotation mark without its counterpart")
    return _QUOTED.sub(lambda found: _ESCAPED.sub(r"\1", found[1]), value)
