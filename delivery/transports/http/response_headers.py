"""Choose which response headers an attempt records, and read them again.

Recorded are the lines as the endpoint sent them, MAX_RECORDED bytes at most, without the values of credentials.
"""

import re
from functools import lru_cache

MAX_RECORDED = 2_048  # bytes of the header lines of one response; lines that exceed it are left out
MASK = b"***"
# A header whose name contains one of these words may hold a credential. A block without any of them is not parsed.
CREDENTIAL_WORDS = (
    b"cookie",
    b"auth",
    b"token",
    b"secret",
    b"password",
    b"key",
    b"credential",
    b"session",
    b"signature",
)
CREDENTIAL_NAME = re.compile(b"|".join(CREDENTIAL_WORDS))


def recorded_headers(block: bytes) -> bytes:
    """Return the lines of a header section to record: bounded, and with the values of credentials masked."""
    return _recorded_small(block) if len(block) <= MAX_RECORDED else _recorded(block)


def _recorded(block: bytes) -> bytes:
    lowered = block.lower()
    if len(block) <= MAX_RECORDED and not any(map(lowered.__contains__, CREDENTIAL_WORDS)):
        return block
    kept, room, is_masked = [], MAX_RECORDED, False
    for line in block.splitlines(keepends=True):
        if line[:1] in b" \t":  # continues the header before it (RFC 9112, 5.2)
            if is_masked:
                continue
        else:
            name, colon, _ = line.partition(b":")
            is_masked = CREDENTIAL_NAME.search(name.lower()) is not None
            if is_masked and colon:
                line = name + b": " + MASK + b"\r\n"  # noqa: PLW2901
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return b"".join(kept)


# Most responses of an endpoint have the same headers within a second.
_recorded_small = lru_cache(maxsize=256)(_recorded)


def read_headers(block: bytes | memoryview | None) -> list[tuple[str, str]]:
    """Return the recorded headers as pairs of a name in lower case and a value, in their order."""
    headers: list[tuple[str, str]] = []
    for line in bytes(block or b"").decode("latin-1").split("\n"):
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    return headers
