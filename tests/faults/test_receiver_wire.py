"""Test unusual requests: each is stored as signed or rejected, and the next message is received."""

import gzip
import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.factories_receiver import SECRET, make_source, signed
from tests.web_server import Server, running, send
from webhooks.models import Receipt, Source
from webhooks.wire.signing.standard_webhooks import sign

pytestmark = pytest.mark.django_db(transaction=True)

BODY = b'{"type":"a.b"}'
CHUNKED = b"7\r\n" + BODY[:7] + b"\r\n7\r\n" + BODY[7:] + b"\r\n0\r\n"


@pytest.fixture
def source() -> Source:
    return make_source()


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("claims")) as server:
        yield server


@pytest.fixture
def server(web: Server, source: Source) -> Iterator[Server]:
    """Return the server, and check after the test that it receives a valid message."""
    yield web
    good = signed(BODY, message_id="the-next") | {"Content-Length": str(len(BODY))}
    assert send(web, source, iter([BODY]), good) == 202


Fields = list[tuple[str, str]]


def fields(body: bytes = BODY, **others: str) -> Fields:
    """Return the headers of a valid message."""
    named = {name.replace("_", "-"): value for name, value in others.items()}
    return [("Host", "127.0.0.1"), *signed(BODY).items(), ("Content-Length", str(len(body))), *named.items()]


def head(source: Source, headers: Fields, version: str = "1.1") -> bytes:
    lines = [f"POST /in/{source.public_id}/ HTTP/{version}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


def say(server: Server, text: bytes, *, end: bool = False) -> list[int]:
    """Send bytes and return the statuses of all responses until the server closes the connection.

    ``end``: close the sending side, which the server may take for a disconnect.
    """
    with closing(socket.create_connection(("127.0.0.1", server.port))) as wire:
        wire.sendall(text)
        if end:
            wire.shutdown(socket.SHUT_WR)
        responses = b"".join(iter(lambda: wire.recv(65536), b""))
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", responses)]


CLOSE = ("Connection", "close")


def test_compressed_body_is_stored_as_signed_and_not_decompressed(server: Server, source: Source) -> None:
    body = gzip.compress(b"x" * 1_000_000)
    name, now = "msg_1", int(signed(BODY)["webhook-timestamp"])
    proof = {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": sign(SECRET, name, now, body)}
    framing = {"Content-Encoding": "gzip", "Content-Length": str(len(body))}
    assert send(server, source, iter([body]), proof | framing) == 202
    receipt = Receipt.objects.get()
    assert (receipt.read(), receipt.headers["content-encoding"]) == (body, "gzip")


def test_expect_100_continue_gets_a_100_response(server: Server, source: Source) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port))) as wire:
        wire.sendall(head(source, [*fields(Expect="100-continue"), CLOSE]))
        assert wire.recv(100).startswith(b"HTTP/1.1 100 ")
        wire.sendall(BODY)
        assert b"".join(iter(lambda: wire.recv(65536), b"")).startswith(b"HTTP/1.1 202 ")
    assert Receipt.objects.get().read() == BODY


def test_unsigned_expect_100_continue_is_401_before_the_body(server: Server, source: Source) -> None:
    unsigned = [("Host", "127.0.0.1"), ("Content-Length", "10000000"), ("Expect", "100-continue"), CLOSE]
    assert say(server, head(source, unsigned)) == [401]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_repeated_signature_header_is_401(server: Server, source: Source, name: str) -> None:
    good = fields()
    for other in (dict(good)[name], "v1,AAAA", ""):
        for twice in ([*good, (name, other), CLOSE], [(name, other), *good, CLOSE]):
            assert say(server, head(source, twice) + BODY) == [401]
    assert not Receipt.objects.exists()


def test_repeated_content_type_is_joined_and_no_accepted_media_type(server: Server, source: Source) -> None:
    both = [*fields(Content_Type="application/json"), ("Content-Type", "text/plain"), CLOSE]
    assert say(server, head(source, both) + BODY) == [202]
    assert Receipt.objects.get().content_type == "application/json,text/plain"
    strict = make_source(content_types=["application/json"])
    assert say(server, head(strict, both) + BODY) == [415]


def with_length(length: int) -> Fields:
    return [(name, str(length) if name == "Content-Length" else value) for name, value in fields()]


def test_content_length_too_long_stores_nothing(server: Server, source: Source) -> None:
    assert set(say(server, head(source, with_length(len(BODY) + 1)) + BODY, end=True)) <= {400}
    assert not Receipt.objects.exists()


def test_content_length_too_short_stores_nothing_and_its_rest_is_no_message(server: Server, source: Source) -> None:
    assert say(server, head(source, with_length(5)) + BODY) == [401]
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("length", ["5", "-1", "0x5", "1e3", "99999999999999999999", "", "14, 15"])
def test_second_content_length_that_differs_or_is_invalid_is_400(server: Server, source: Source, length: str) -> None:
    both = [*fields(), ("Content-Length", length), CLOSE]
    assert say(server, head(source, both) + BODY) == [400]
    assert not Receipt.objects.exists()


def test_content_length_with_chunks_cannot_smuggle_a_message(server: Server, source: Source) -> None:
    """RFC 9112, section 6.1: the chunks are used, or the request is rejected; never the length."""
    both = [*fields(Transfer_Encoding="chunked"), CLOSE]
    responses = say(server, head(source, both) + CHUNKED + b"\r\n")
    assert responses in ([202], [400])
    assert [receipt.read() for receipt in Receipt.objects.all()] == [BODY] * responses.count(202)


def test_trailer_after_the_last_chunk_is_no_header(server: Server, source: Source) -> None:
    trailers = b"webhook-id: another\r\nx-later: 1\r\n\r\n"
    good = [(name, value) for name, value in fields(Transfer_Encoding="chunked") if name != "Content-Length"]
    assert say(server, head(source, [*good, CLOSE]) + CHUNKED + trailers) == [202]
    receipt = Receipt.objects.get()
    assert (receipt.message_id, receipt.read()) == ("msg_1", BODY)
    assert "x-later" not in receipt.headers
    unsigned = [(name, value) for name, value in good if name != "webhook-signature"]
    late = f"webhook-signature: {dict(good)['webhook-signature']}\r\n\r\n".encode()
    assert say(server, head(source, [*unsigned, CLOSE]) + CHUNKED + late) == [401]


def test_header_of_64_kilobytes_is_stored_cut_or_rejected(server: Server, source: Source) -> None:
    responses = say(server, head(source, [*fields(X_Long="x" * 65536), CLOSE]) + BODY)
    assert responses in ([202], [431])
    for receipt in Receipt.objects.all():
        assert sum(map(len, [*receipt.headers, *receipt.headers.values()])) < 16 * 1024


def test_http_1_0_request_is_received(server: Server, source: Source) -> None:
    assert say(server, head(source, fields(), version="1.0") + BODY) == [202]
    assert Receipt.objects.get().read() == BODY
