"""An entity tag says which state of a thing somebody has seen (RFC 9110, sections 8.8.3 and 13.1). PURE.

Ours are strong and made of the content itself: the same content has the same tag on every machine, and a thing that
was changed and changed back is the one that was seen.
"""

import re
from hashlib import sha256

__all__ = ["etag_of", "is_match", "is_none_match"]

_LISTED = re.compile(r'\s*(?:,\s*)*(?P<weak>W/)?(?P<tag>"[\x21\x23-\x7e\x80-\U0010ffff]*")\s*(?=,|\Z)')


def etag_of(content: bytes) -> str:
    """The tag of this content, in its quotes."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def is_match(header: str, etag: str) -> bool:
    """Whether ``If-Match`` lets a change of what has this tag pass (section 13.1.1: the strong comparison).

    What cannot be read names no state, so it lets nothing pass.
    """
    return header.strip() == "*" or any(not weak and tag == etag for weak, tag in _tags(header))


def is_none_match(header: str, etag: str) -> bool:
    """Whether ``If-None-Match`` asks for an answer (section 13.1.2: the weak comparison); if not, it is a 304."""
    return header.strip() != "*" and all(tag != etag for _, tag in _tags(header))


def _tags(header: str) -> list[tuple[bool, str]]:
    found, at = [], 0
    while listed := _LISTED.match(header, at):
        found.append((bool(listed["weak"]), listed["tag"]))
        at = listed.end()
    return found if not header[at:].strip(" \t,") else []
