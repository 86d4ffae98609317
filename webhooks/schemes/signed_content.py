"""What is signed, said as a template: `{body}` once, and around it `{id}`, `{timestamp}`, `{url}`, `{method}`.

The content must be one that can be taken apart in one way only, or a forger could move the border between two of its
parts: so an id may not hold what separates it from the next part, and there must be something that does.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from webhooks.schemes.scheme import UnsignedMessage, VerificationContext
from webhooks.wire.errors import BadOptions, MalformedHeader

_PARTS = re.compile(r"(\{(?:id|timestamp|url|method|body)\})")
_UNITS = {"s": 1, "ms": 1000}


class SignedContent:
    """A template, and the headers its parts are found in. Raises BadOptions."""

    def __init__(self, signed: str, id_header: str, timestamp_header: str, timestamp_unit: str) -> None:
        parts = _PARTS.split(signed)
        if parts.count("{body}") != 1:
            raise BadOptions("signed has to name the body once")
        if "{id}" in parts and not id_header:
            raise BadOptions("id_header")
        if "{timestamp}" in parts and not timestamp_header:
            raise BadOptions("timestamp_header")
        if timestamp_unit not in _UNITS:
            raise BadOptions("timestamp_unit")
        if any(here == "{id}" and not behind for here, behind in pairwise(parts)):
            raise BadOptions("signed has to separate the id from what follows")
        self._id_header, self._timestamp_header, self._unit = id_header, timestamp_header, _UNITS[timestamp_unit]
        middle = parts.index("{body}")
        self._head, self._tail = parts[:middle], parts[middle + 1 :]

    def around(self, context: VerificationContext) -> tuple[bytes, bytes]:
        """What is signed before the body and behind it. Raises SignatureError."""
        return self._filled(self._head, context), self._filled(self._tail, context)

    def headers(self, message: UnsignedMessage) -> dict[str, str]:
        """The headers that a sample of this content needs."""
        named = {self._id_header: message.message_id, self._timestamp_header: str(message.now * self._unit)}
        return {name: value for name, value in named.items() if name}

    def _filled(self, parts: Sequence[str], context: VerificationContext) -> bytes:
        return b"".join(self._part(part, behind, context) for part, behind in zip(parts, [*parts[1:], ""], strict=True))

    def _part(self, part: str, behind: str, context: VerificationContext) -> bytes:
        if part == "{url}":
            return context.called_url()
        if part == "{method}":
            return context.method.encode("utf-8", "surrogatepass")
        if part == "{timestamp}":
            return self._timestamp(context)
        if part == "{id}":
            return self._id(behind, context)
        return part.encode("utf-8", "surrogatepass")

    def _timestamp(self, context: VerificationContext) -> bytes:
        written = context.header(self._timestamp_header)
        in_seconds = written[:-3] if self._unit == 1000 else written
        context.check_timestamp(self._timestamp_header, in_seconds)
        if not (written.isascii() and written.isdigit()):
            raise MalformedHeader(self._timestamp_header)
        return written.encode()

    def _id(self, behind: str, context: VerificationContext) -> bytes:
        message_id = context.header(self._id_header)
        # An id that holds the separator could be cut elsewhere, and the rest be taken for time or body.
        if not message_id.isascii() or (behind and behind in message_id):
            raise MalformedHeader(self._id_header)
        return message_id.encode()
