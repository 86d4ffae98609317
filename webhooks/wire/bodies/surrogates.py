"""Replace unpaired surrogates in JSON text by U+FFFD: no database stores one, and parsers disagree about them.

Only escapes can be such, as text that was decoded has none.
"""

import re

_PIECE = r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|.)"  # the last: any other escape
_IN_BYTES, _IN_TEXT = re.compile(_PIECE.encode(), re.DOTALL), re.compile(_PIECE, re.DOTALL)
_ESCAPE = 6  # characters: \uD800
_HIGH = re.compile(rb"\\u[dD][89abAB]..\Z", re.DOTALL)


def paired(text: str) -> str:
    """Return JSON text without unpaired surrogates."""
    return _IN_TEXT.sub(_replaced, text) if "\\ud" in text or "\\uD" in text else text


def paired_bytes(text: bytes) -> bytes:
    """Return JSON text in UTF-8 without unpaired surrogates; it must not begin or end within an escape."""
    return _IN_BYTES.sub(_replaced_bytes, text) if b"\\ud" in text or b"\\uD" in text else text


def unfinished_pair(text: bytes) -> int:
    """Return the length of an escape at the end that may be the first half of a pair; 0 if there is none."""
    if not _HIGH.search(text, max(0, len(text) - _ESCAPE)):
        return 0
    before = text[: len(text) - _ESCAPE + 1]
    is_escape = (len(before) - len(before.rstrip(b"\\"))) & 1
    return _ESCAPE if is_escape else 0


def _replaced(found: re.Match[str]) -> str:
    escape = found[0]
    return "\\ufffd" if len(escape) == _ESCAPE else escape


def _replaced_bytes(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    return b"\\ufffd" if len(escape) == _ESCAPE else escape
