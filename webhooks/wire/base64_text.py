"""Decode base64 strictly (RFC 4648 section 4): the standard alphabet, padded, without other characters.

`binascii` in its strict mode accepts padding in wrong places.
"""

import binascii
import re
from base64 import b64encode

_TEXT = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def decode(text: str) -> bytes:
    """Decode the text. Raises ValueError."""
    if not _TEXT.fullmatch(text):
        raise ValueError("not base64")
    return binascii.a2b_base64(text)


def decode_canonical(text: str) -> bytes | None:
    """Decode text that is exactly the base64 of its bytes; None for any other text."""
    try:
        raw = decode(text)
    except ValueError:
        return None
    return raw if b64encode(raw).decode() == text else None
