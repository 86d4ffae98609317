"""Split a form into its fields, as bytes and in their order: urlencoded, or in parts (RFC 7578).

A form is read in memory, of which this takes little more than the body itself, whatever the body is: no list of lines,
no text of four bytes per character.
"""

from collections.abc import Iterator
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import unquote_to_bytes

MAX_FIELDS = 1000
_STEP = 64 * 1024  # bytes that are unescaped at once
_MAX_HEAD = 16 * 1024  # bytes of the headers of a part

Fields = list[tuple[bytes, bytes]]
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError, MessageError)
"""The exceptions that a malformed form raises; the parser of mail headers recurses into comments."""


def urlencoded_fields(body: bytes) -> Fields:
    """Return the decoded fields of an urlencoded form. Raises ValueError for too many, and for what is not UTF-8."""
    if body.count(b"&") >= MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} fields")
    pairs = (item.partition(b"=") for item in body.split(b"&") if item)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]


def multipart_fields(content_type: str, body: bytes) -> Fields:
    """Return the fields of a form in parts, without its files. Raises an exception in MALFORMED."""
    declared = Message()
    declared["Content-Type"] = content_type
    boundary = (declared.get_boundary() or "").encode("latin-1")
    if not boundary:
        raise ValueError("no boundary")
    fields = (_field(body, start, end) for start, end in _parts(body, b"--" + boundary))
    return [field for field in fields if field is not None]


def _unescaped(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    if b"%" in text:
        text = b"".join(map(unquote_to_bytes, _pieces(text)))
    if not text.isascii():
        text.decode()
    return text


def _pieces(text: bytes) -> Iterator[bytes]:
    """Yield the text in pieces that do not end within an escape."""
    start = 0
    while start < len(text):
        end = start + _STEP
        if end < len(text) and (cut := text.rfind(b"%", end - 2, end)) >= 0:
            end = cut
        yield text[start:end]
        start = end


def _parts(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each part begins and ends. Raises ValueError if the last is not ended, or if there are too many."""
    start, count = -1, 0
    at = body.find(delimiter)
    while at >= 0:
        after = at + len(delimiter)
        if (at == 0 or body[at - 1] == 10) and body[after : after + 1] in (b"\r", b"\n", b"-", b" ", b"\t"):
            if start >= 0:
                end = at - 1 if at < 2 or body[at - 2] != 13 else at - 2
                yield start, max(start, end)
            if body[after : after + 2] == b"--":
                return
            start, count = body.find(b"\n", after) + 1 or len(body), count + 1
            if count > MAX_FIELDS:
                break
        at = body.find(delimiter, after)
    raise ValueError("the form does not end, or has too many parts")


def _field(body: bytes, start: int, end: int) -> tuple[bytes, bytes] | None:
    """Return the name and the value of a part; None for a file, and for a part without a name."""
    head = body[start : min(end, start + _MAX_HEAD)]
    ends = [(at, len(mark)) for mark in (b"\r\n\r\n", b"\n\n") if (at := head.find(mark)) >= 0]
    if not ends:
        return None
    at, length = min(ends)
    part = BytesParser(policy=HTTP).parsebytes(head[: at + length], headersonly=True)
    name = part.get_param("name", header="content-disposition")
    if not name or part.get_filename() is not None:
        return None
    value = body[start + at + length : end]
    if part.get("content-transfer-encoding"):
        value = bytes(BytesParser(policy=HTTP).parsebytes(body[start:end]).get_payload(decode=True))
    if not value.isascii():
        value.decode()
    return str(name).encode(), value
