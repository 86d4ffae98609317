"""Test reading a Django request: its head, and its body within the minimum rate."""

import asyncio
import io
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connections
from django.test import AsyncClient, AsyncRequestFactory, RequestFactory

from tests.factories_receiver import make_source, signed
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.kit.native_request import GRACE_SECONDS, MIN_BYTES_PER_SECOND, BodyCutShort, BodyTooSlow, called_url
from webhooks.models import Receipt
from webhooks.receiving import django_request as module
from webhooks.receiving.django_request import (
    BodyConsumed,
    InvalidLength,
    LengthUnknown,
    read_head,
    run_blocking,
)
from webhooks.receiving.inbound_view import inbound


def request(body: bytes, **environ: object) -> WSGIRequest:
    return RequestFactory().generic("POST", "/in/x/?b=1", body, **environ)


def pieces_of(given: WSGIRequest | ASGIRequest) -> list[bytes]:
    async def read() -> list[bytes]:
        return [piece async for piece in read_head(given).body.chunks()]

    return run_blocking(read())


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_chunks_yield_the_whole_body(factory: Any, size: int) -> None:
    pieces = pieces_of(factory().generic("POST", "/in/x/", bytes(size)))
    assert b"".join(pieces) == bytes(size)
    assert all(0 < len(piece) <= 65_536 for piece in pieces)


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_read_head_reads_the_same_under_wsgi_and_asgi(factory: Any) -> None:
    head = read_head(
        factory().generic("POST", "/in/x/?b=1", b"12", content_type="a/b", headers={"X-Hub-Signature": "s"})
    )
    assert (head.method, head.scheme, head.host, head.path) == ("POST", "http", "testserver", "/in/x/")
    assert (head.query_string, head.remote_address, head.body.length) == ("b=1", "127.0.0.1", 2)
    assert (head.headers["x-hub-signature"], head.headers["content-type"]) == ("s", "a/b")


@pytest.mark.parametrize("size", [0, 1, 200_000])
@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_body_that_middleware_has_read_is_read_again(factory: Any, size: int) -> None:
    given = factory().generic("POST", "/in/x/", bytes(size))
    assert given.body == bytes(size)
    assert b"".join(pieces_of(given)) == bytes(size)


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_form_that_middleware_has_parsed_is_an_error_that_says_so(factory: Any) -> None:
    given = factory().post("/in/x/", {"a": "1"})  # multipart: Django keeps its parts, and not its bytes
    assert given.POST["a"] == "1"
    with pytest.raises(BodyConsumed, match="Middleware has read the form"):
        read_head(given)


def test_host_outside_of_allowed_hosts_is_the_one_that_the_sender_signed(settings) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    assert read_head(request(b"", HTTP_HOST="hooks.internal")).host == "hooks.internal"


def test_view_is_outside_of_the_transactions_of_requests() -> None:
    assert inbound._non_atomic_requests == set(connections)  # type: ignore[attr-defined]


def test_chunks_stop_at_the_announced_length() -> None:
    wire = io.BytesIO(b"helloGET / HTTP/1.1")
    assert pieces_of(request(b"", CONTENT_LENGTH="5", **{"wsgi.input": wire})) == [b"hello"]
    assert wire.read() == b"GET / HTTP/1.1"


def test_chunks_of_a_body_shorter_than_announced_raise_cut_short() -> None:
    with pytest.raises(BodyCutShort):
        pieces_of(request(b"", CONTENT_LENGTH="9", **{"wsgi.input": io.BytesIO(b"12345678")}))


def test_chunks_of_a_stream_that_times_out_raise_too_slow() -> None:
    class Stalled(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise TimeoutError

    with pytest.raises(BodyTooSlow):
        pieces_of(request(b"", CONTENT_LENGTH="9", **{"wsgi.input": Stalled()}))


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "٣", "9" * 5000, " 5"])
def test_read_head_with_an_invalid_content_length_raises(length: str) -> None:
    with pytest.raises(InvalidLength):
        read_head(request(b"", CONTENT_LENGTH=length))


def test_read_head_of_a_chunked_body_whose_end_the_server_cannot_tell_raises() -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    assert read_head(request(b"", **chunked, **{"wsgi.input_terminated": True})).body.length is None
    with pytest.raises(LengthUnknown):
        read_head(request(b"", **chunked))


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
    slow = request(b"", CONTENT_LENGTH=str(size), **{"wsgi.input": Drip(bytes(size))})
    if fast_enough:
        assert sum(map(len, pieces_of(slow))) == size
    else:
        with pytest.raises(BodyTooSlow):
            pieces_of(slow)


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("", "http://testserver/in/x/?b=1"),
        ("https://hooks.example.com/a", "https://hooks.example.com/a?b=1"),
        ("https://hooks.example.com/a?c=2", "https://hooks.example.com/a?c=2"),
    ],
)
def test_called_url_is_the_public_url_with_the_query(public_url: str, expected: str) -> None:
    assert called_url(read_head(request(b"")), public_url) == expected


def test_run_blocking_returns_raises_and_refuses_to_suspend() -> None:
    async def returns(value: int) -> int:
        return value

    async def fails() -> None:
        raise LookupError

    assert run_blocking(returns(5)) == 5
    with pytest.raises(LookupError):
        run_blocking(fails())
    with pytest.raises(RuntimeError, match="event loop"):
        run_blocking(asyncio.sleep(0))


@pytest.mark.django_db
@pytest.mark.usefixtures("receiver")
@pytest.mark.parametrize("body", [b'{"type":"a.b"}', b"x" * (INLINE_MAX + 1)], ids=["small", "large"])
def test_message_to_a_project_under_asgi_is_verified_and_stored(body: bytes) -> None:
    source = make_source()

    def post(headers: dict[str, str]) -> int:
        send = async_to_sync(AsyncClient().post)
        response = send(f"/in/{source.public_id}/", body, "application/json", headers=headers)
        return int(response.status_code)

    assert post(signed(b"other")) == 401
    assert [post(signed(body)) for _ in range(2)] == [202, 200]
    assert Receipt.objects.get().read() == body
