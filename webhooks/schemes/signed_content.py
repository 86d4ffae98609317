"""The signed content as a template: `{body}` once, and around it `{id}`, `{timestamp}`, `{url}`, `{method}`.

The content must be unambiguous, or a forger could move the border between two parts. So a separator must follow the id,
and the id must not contain it.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from webhooks.schemes.scheme import UnsignedMessage, VerificationContext
from webhooks.wire.errors import BadOptions, MalformedHeader

_PARTS = re.compile(r"(\{(?:id|timestamp|url|method|body)\})")
_UNITS = {"s": 1, "ms": 1000}


class SignedContent:
    """A template and the headers that its parts are taken from. Raises BadOptions."""

    def __init__(self, signed: str, id_header: str, timestamp_header: str, timestamp_unit: str) -> None:
        parts = _PARTS.split(signed)
        if parts.count("{body}") != 1:
            raise BadOptions("signed must contain {body} once")
        if "{id}" in parts and not id_header:
            raise BadOptions("id_header is required when {id} is signed")
        if "{timestamp}" in parts and not timestamp_header:
            raise BadOptions("timestamp_header is required when {timestamp} is signed")
        if timestamp_unit not in _UNITS:
            raise BadOptions("timestamp_unit must be s or ms")
        if any(here == "{id}" and not following for here, following in pairwise(parts)):
            raise BadOptions("signed must have a separator after {id}")
        self._id_header, self._timestamp_header, self._unit = id_header, timestamp_header, _UNITS[timestamp_unit]
        middle = parts.index("{body}")
        self._head, self._tail = parts[:middle], parts[middle + 1 :]

    def around(self, context: VerificationContext) -> tuple[bytes, bytes]:
        """Return the signed bytes before and after the body. Raises SignatureError."""
        return self._filled(self._head, context), self._filled(self._tail, context)

    def headers(self, message: UnsignedMessage) -> dict[str, str]:
        """Return the headers of a test message that this content is signed from."""
        named = {self._id_header: message.message_id, self._timestamp_header: str(message.now * self._unit)}
        return {name: value for name, value in named.items() if name}

    def _filled(self, parts: Sequence[str], context: VerificationContext) -> bytes:
        pairs = zip(parts, [*parts[1:], ""], strict=True)
        return b"".join(self._part(part, following, context) for part, following in pairs)

    def _part(self, part: str, following: str, context: VerificationContext) -> bytes:
        if part == "{url}":
            return context.called_url()
        if part == "{method}":
            return context.method.encode("utf-8", "surrogatepass")
        if part == "{timestamp}":
            return self._timestamp(context)
        if part == "{id}":
            return self._id(following, context)
        return part.encode("utf-8", "surrogatepass")

    def _timestamp(self, context: VerificationContext) -> bytes:
        written = context.header(self._timestamp_header)
        context.check_timestamp(self._timestamp_header, written, units_per_second=self._unit)
        return written.encode()

    def _id(self, following: str, context: VerificationContext) -> bytes:
        message_id = context.header(self._id_header)
        # The part of the id after a separator in it could be read as the timestamp or the body.
        if not message_id.isascii() or (following and following in message_id):
            raise MalformedHeader(self._id_header)
        return message_id.encode()
