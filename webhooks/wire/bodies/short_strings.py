"""Shorten the strings of a JSON text while it streams, so that a parser that keeps whole tokens needs little memory.

A string of a gigabyte, such as a file in base64, is cut after about ``MAX_STRING`` bytes; ``was_cut`` then says so of
the next string or name that the parser finds. NaN and Infinity, which are not JSON, become null, and unpaired
surrogates U+FFFD, as where a whole text is parsed (``json_document``).
"""

import re
from collections.abc import Iterable, Iterator

from webhooks.wire.bodies.surrogates import paired_bytes, unfinished_pair
from webhooks.wire.errors import UnreadableBody

MAX_STRING = 256 * 1024  # bytes, at least, of a string that is not cut; the parser reads a long one several times
MAX_ESCAPE = 6  # bytes: \uXXXX
_ESCAPES = re.compile(rb"\\.", re.DOTALL)
_DELIMITER = re.compile(rb'[\s,:{}\[\]"]')
_STRING_OR_CONSTANT = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|NaN|-?Infinity', re.DOTALL)
_REST_OF_STRING = re.compile(rb'(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_UNFINISHED_WORD = re.compile(rb"[-A-Za-z]{1,9}\Z")


class ShortStrings:
    """The state between two chunks."""

    def __init__(self) -> None:
        self.was_cut = False
        self._is_inside = False  # of a string
        self._run = 0  # bytes since the last quotation mark
        self._held = b""  # the end of a chunk that may be half of an escape or of a constant

    def shortened(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks, none of them empty, without what is too much. Raises UnreadableBody."""
        for chunk in chunks:
            if short := self._next(chunk):
                yield short
        if self._held:
            yield self._held if self._is_inside else self._without_constants(self._held)

    def _next(self, chunk: bytes) -> bytes:
        """Return the next chunk without what is too much. Raises UnreadableBody for what the parser would accept."""
        data = self._held + chunk
        end = self._whole_end(data)
        end -= unfinished_pair(data[:end])
        data, self._held = paired_bytes(data[:end]), data[end:]
        if b"\v" in data or b"\f" in data:
            raise UnreadableBody("has control characters")
        quotes = (_ESCAPES.sub(b"", data) if b"\\" in data else data).count(b'"')
        if not quotes and self._is_inside:
            return self._inside(data)
        if b"NaN" in data or b"Infinity" in data:
            data = self._without_constants(data)
        if quotes:
            self._is_inside ^= bool(quotes & 1)
            self._run = 0
        elif _DELIMITER.search(data):
            self._run = 0
        else:
            self._run += len(data)
            if self._run > MAX_STRING:
                raise UnreadableBody("has a number that is too long")
        if not self._is_inside and (word := _UNFINISHED_WORD.search(data[-9:])):
            end = len(data) - len(word[0])
            data, self._held = data[:end], data[end:] + self._held
        return data

    def _inside(self, data: bytes) -> bytes:
        """Return data that lies within one string, unless the string is too long by now."""
        self._run += len(data)
        if self._run <= MAX_STRING:
            return data
        self.was_cut = True
        return b""

    def _whole_end(self, data: bytes) -> int:
        """Return the end of the data without an escape that is cut in two."""
        at = data.rfind(b"\\", max(0, len(data) - MAX_ESCAPE + 1))
        if at < 0:
            return len(data)
        slashes = at + 1 - len(data[: at + 1].rstrip(b"\\"))
        if not slashes & 1:  # the last of them is itself escaped
            return len(data)
        needed = MAX_ESCAPE if data[at + 1 : at + 2] == b"u" else 2
        return at if len(data) - at < needed else len(data)

    def _without_constants(self, data: bytes) -> bytes:
        """Replace NaN and Infinity outside of strings by null."""
        start = 0
        if self._is_inside and (rest := _REST_OF_STRING.match(data)):
            start = rest.end()
        return data[:start] + _STRING_OR_CONSTANT.sub(_null, data[start:])


def _null(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b"null"
