"""Convert JSON text to UTF-8 without a byte order mark, whole or in chunks.

JSON is UTF-8 (RFC 8259, section 8.1). Senders also write a byte order mark, UTF-16, UTF-32, and what the charset of
their content type says.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from itertools import chain

from webhooks.wire.cloudevents.grammar import media_type
from webhooks.wire.errors import UnreadableBody

_BOM = codecs.BOM_UTF8
_LEGACY = frozenset(
    {
        *("iso-8859-1", "latin1", "latin-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1251"),
        *("windows-1252", "cp1252", "koi8-r", "shift_jis", "euc-jp", "euc-kr", "gbk", "gb2312", "gb18030", "big5"),
    }
)
"""Charsets that a content type may name; of others, UTF-8 is assumed."""


def charset_of(head: bytes, content_type: str) -> str:
    """Return the encoding of a JSON text that begins with these bytes, as the name of a codec."""
    detected = json.detect_encoding(head[:4])
    if detected != "utf-8":
        return detected  # UTF-16 or UTF-32, or UTF-8 with a byte order mark
    return _declared(content_type) or "utf-8"


def is_legacy(content_type: str) -> bool:
    """Return whether a content type names a charset that is neither UTF-8 nor recognized by its first bytes."""
    return bool(_declared(content_type))


def _declared(content_type: str) -> str:
    declared = media_type(content_type) if content_type else None
    return declared.charset if declared is not None and declared.charset in _LEGACY else ""


def text_of(body: bytes, content_type: str) -> str:
    """Decode a JSON text. Raises UnreadableBody."""
    charset = charset_of(body, content_type)
    if charset in _LEGACY:
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass  # many senders declare a legacy charset and send UTF-8, so that is tried first
    try:
        return body.decode(charset)
    except UnicodeDecodeError:
        raise UnreadableBody(f"is not text in {charset.removesuffix('-sig').upper()}") from None


def utf8_chunks(chunks: Iterable[bytes], content_type: str) -> Iterator[bytes]:
    """Yield a JSON text as UTF-8. Raises UnreadableBody if its encoding is another one and the text is invalid."""
    remaining = iter(chunks)
    head = b""
    for chunk in remaining:
        head += chunk
        if len(head) >= 4:
            break
    charset = charset_of(head, content_type)
    text = chain([head], remaining)
    if charset == "utf-8":
        yield from text
    elif charset == "utf-8-sig":
        yield head.removeprefix(_BOM)
        yield from remaining
    else:
        yield from _recoded(text, charset)


def _recoded(chunks: Iterable[bytes], charset: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(charset)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", True).encode()
    except UnicodeError:
        raise UnreadableBody(f"is not text in {charset.upper()}") from None
