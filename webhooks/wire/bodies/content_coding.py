"""Decompress a body as its Content-Encoding says (RFC 9110, section 8.4), in chunks and up to a limit.

A kilobyte of gzip can be a megabyte of text. So what is decompressed is bounded, whatever the size of the body.
"""

import zlib
from collections.abc import Iterable, Iterator

from webhooks.wire.errors import UnreadableBody

MAX_DECODED_BYTES = 256 * 1024**2
STEP_BYTES = 256 * 1024  # decompressed at once
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # recognized by the header
_RAW_DEFLATE = -zlib.MAX_WBITS  # what some senders call deflate


def codings_of(content_encoding: str) -> list[str]:
    """Return the codings of a Content-Encoding in the order in which they were applied, without ``identity``."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    return [name for name in names if name not in ("", "identity")]


def decoded(chunks: Iterable[bytes], content_encoding: str, most: int = MAX_DECODED_BYTES) -> Iterator[bytes]:
    """Yield the decoded body in chunks; the body itself without an encoding.

    Raises UnreadableBody for an unknown coding, for invalid data, and beyond ``most`` decoded bytes.
    """
    codings = codings_of(content_encoding)
    if not codings:
        return iter(chunks)
    if len(codings) > 1 or codings[0] not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableBody(f"has the unsupported content encoding {content_encoding[:32]!r}; send gzip or deflate")
    return _limited(_inflated(chunks, is_deflate=codings[0] == "deflate"), most)


def _limited(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise UnreadableBody(f"is more than {most // 1024**2} MiB when it is decompressed")
        yield chunk


def _inflated(chunks: Iterable[bytes], *, is_deflate: bool) -> Iterator[bytes]:
    """Yield the decompressed data of gzip members, or of a zlib or raw deflate stream."""
    stream: zlib._Decompress | None = None
    is_empty = True
    for chunk in chunks:
        data = chunk
        while data:
            is_empty = False
            if stream is None or stream.eof:
                stream = _decompressor(data, is_deflate=is_deflate)
            yield _step(stream, data)
            data = stream.unconsumed_tail or stream.unused_data
    if not is_empty and not (stream is not None and stream.eof):
        raise UnreadableBody("ends before its compressed data does")


def _decompressor(data: bytes, *, is_deflate: bool) -> "zlib._Decompress":
    """Return a decompressor for data that begins a stream."""
    is_zlib = data[0] & 0x0F == 8 and data[0] >> 4 <= 7
    return zlib.decompressobj(_RAW_DEFLATE if is_deflate and not is_zlib else _GZIP_OR_ZLIB)


def _step(stream: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return stream.decompress(data, STEP_BYTES)
    except zlib.error:
        raise UnreadableBody("has invalid compressed data") from None
