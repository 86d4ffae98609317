"""Test reading a body: its announced length, the size limit and the minimum rate."""

import io
from types import SimpleNamespace

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from webhooks.receiving import request_body as module
from webhooks.receiving.request_body import (
    GRACE_SECONDS,
    MIN_BYTES_PER_SECOND,
    CutShort,
    TooLarge,
    TooSlow,
    read_request,
)


def request(body: bytes, **environ: object) -> WSGIRequest:
    return RequestFactory().generic("POST", "/in/x/?b=1", body, **environ)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_chunks_yield_the_whole_body(size: int) -> None:
    pieces = list(read_request(request(bytes(size))).chunks(limit=200_000))
    assert b"".join(pieces) == bytes(size)
    assert all(0 < len(piece) <= 65_536 for piece in pieces)


def test_chunks_stop_at_the_announced_length() -> None:
    wire = io.BytesIO(b"helloGET / HTTP/1.1")
    found = read_request(request(b"", CONTENT_LENGTH="5", **{"wsgi.input": wire}))
    assert list(found.chunks(limit=100)) == [b"hello"]
    assert wire.read() == b"GET / HTTP/1.1"


def test_chunks_over_the_limit_raise_at_once_if_announced_else_while_reading() -> None:
    with pytest.raises(TooLarge):
        read_request(request(b"123456")).chunks(limit=5)
    endless = SimpleNamespace(read=lambda size: bytes(size), readline=None)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": endless}
    with pytest.raises(TooLarge):
        list(read_request(request(b"", CONTENT_LENGTH="", **chunked)).chunks(limit=1_000_000))


def test_chunks_of_a_body_shorter_than_announced_raise_cut_short() -> None:
    with pytest.raises(CutShort):
        list(
            read_request(request(b"", CONTENT_LENGTH="9", **{"wsgi.input": io.BytesIO(b"12345678")})).chunks(limit=100)
        )


@pytest.mark.parametrize(
    ("pace", "fast_enough"), [(2 * MIN_BYTES_PER_SECOND, True), (MIN_BYTES_PER_SECOND // 2, False)]
)
def test_chunks_slower_than_the_minimum_rate_raise_too_slow(
    monkeypatch: pytest.MonkeyPatch, pace: int, fast_enough: bool
) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Drip(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            now[0] += len(piece) / pace
            return piece

    size = int(4 * GRACE_SECONDS * MIN_BYTES_PER_SECOND)
    pieces = read_request(request(b"", CONTENT_LENGTH=str(size), **{"wsgi.input": Drip(bytes(size))})).chunks(
        limit=size
    )
    if fast_enough:
        assert sum(map(len, pieces)) == size
    else:
        with pytest.raises(TooSlow):
            list(pieces)


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("", "http://testserver/in/x/?b=1"),
        ("https://hooks.example.com/a", "https://hooks.example.com/a?b=1"),
        ("https://hooks.example.com/a?c=2", "https://hooks.example.com/a?c=2"),
    ],
)
def test_url_is_the_public_url_with_the_query(public_url: str, expected: str) -> None:
    assert read_request(request(b"")).url(public_url) == expected
