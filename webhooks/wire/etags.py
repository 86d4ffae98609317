"""Make and compare entity tags (RFC 9110 sections 8.8.3 and 13.1).

The tags are strong and made of the content: the same content has the same tag on every machine, also after it was
changed and changed back.
"""

import re
from hashlib import sha256
from typing import Any

from webhooks.wire.json_numbers import stored_json

_LISTED = re.compile(r'\s*(?:,\s*)*(?P<weak>W/)?(?P<tag>"[\x21\x23-\x7e\x80-\U0010ffff]*")\s*(?=,|\Z)')


def etag_of(content: bytes) -> str:
    """Return the tag of this content, in quotes."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def etag_of_document(document: Any) -> str:
    """Return the tag of a document as it is shown, whatever the order of its members."""
    return etag_of(stored_json(document, sort_keys=True))


def is_match(header: str, etag: str) -> bool:
    """Return whether ``If-Match`` allows a change of content with this tag (section 13.1.1: strong comparison).

    A malformed header allows no change.
    """
    return header.strip() == "*" or any(not weak and tag == etag for weak, tag in _tags(header))


def is_none_match(header: str, etag: str) -> bool:
    """Return whether ``If-None-Match`` asks for the content (section 13.1.2: weak comparison); if not, send a 304."""
    return header.strip() != "*" and all(tag != etag for _, tag in _tags(header))


def _tags(header: str) -> list[tuple[bool, str]]:
    found, at = [], 0
    while listed := _LISTED.match(header, at):
        found.append((bool(listed["weak"]), listed["tag"]))
        at = listed.end()
    return found if not header[at:].strip(" \t,") else []
