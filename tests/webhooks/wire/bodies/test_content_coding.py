"""Test decompressing bodies, in pieces and within a limit."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.bodies.content_coding import decoded
from webhooks.wire.errors import UnreadableBody

TEXT = b'{"a": 1}' * 1000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


PACKED = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate": raw_deflate}


@pytest.mark.parametrize("coding", PACKED)
@given(data=st.binary(), size=st.integers(1, 50))
def test_decoded_pieces_are_the_original(coding: str, data: bytes, size: int) -> None:
    assert b"".join(decoded(pieces(PACKED[coding](data), size), coding)) == data


@pytest.mark.parametrize("coding", ["", "identity", "Identity, "])
def test_body_without_an_encoding_is_unchanged(coding: str) -> None:
    assert list(decoded([b"a", b"b"], coding)) == [b"a", b"b"]


def test_gzip_of_several_members_is_read_to_the_end() -> None:
    assert b"".join(decoded([gzip.compress(b"a") + gzip.compress(b"b")], "gzip")) == b"ab"


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b"plain", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip"),
        (zlib.compress(TEXT)[:20], "deflate"),
        (TEXT, "br"),
        (gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0), "gzip, gzip"),
    ],
)
def test_body_that_is_not_what_its_encoding_says_is_unreadable(body: bytes, coding: str) -> None:
    with pytest.raises(UnreadableBody):
        list(decoded([body], coding))


def test_decompression_stops_at_the_limit() -> None:
    bomb = decoded([gzip.compress(bytes(64 * 1024**2))], "gzip", 8 * 1024**2)
    assert sum(len(next(bomb)) for _ in range(32)) == 8 * 1024**2
    with pytest.raises(UnreadableBody, match="more than 8 MiB"):
        next(bomb)
