"""Send malformed requests over raw sockets, and list them: lengths that conflict, broken chunks, odd heads.

A request hides another one, which publishes an event of the type ``smuggled``: no reading of the bytes that HTTP allows
(RFC 9112) executes it.
"""

import random
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

WAIT = 20.0  # seconds until the server has closed a connection whose client has stopped sending
ACCEPTED, REJECTED, ANY = frozenset({202}), frozenset({400, 405, 411, 413, 414, 417, 431, 501}), frozenset(range(600))
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


@dataclass(frozen=True)
class Target:
    """One of the two hot views: its path, further header lines, and a valid body."""

    port: int
    path: str
    headers: str
    body: bytes

    def head(self, *lines: str, version: str = "HTTP/1.1") -> bytes:
        """Return the head of a POST with these header lines instead of a length."""
        text = "\r\n".join([f"POST {self.path} {version}", "Host: 127.0.0.1", self.headers, *lines, "", ""])
        return text.encode("latin-1")

    def valid(self, *lines: str) -> bytes:
        """Return a request that is accepted."""
        return self.head(f"Content-Length: {len(self.body)}", *lines) + self.body


@dataclass(frozen=True)
class RawRequest:
    """Bytes to send, in pieces, and the statuses that may come back; no response at all is right if ``may_close``."""

    name: str
    pieces: tuple[bytes, ...]
    statuses: frozenset[int]
    may_close: bool = False


def exchange(port: int, *pieces: bytes, address: str = "127.67.0.1") -> bytes:
    """Send the pieces, stop sending, and return all that is received until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT, source_address=(address, 0)) as raw:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                raw.sendall(piece)
            raw.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionResetError):
            while piece := raw.recv(65536):
                received += piece
        return received


def statuses_in(received: bytes) -> list[int]:
    """Return the statuses of the responses, interim ones left out."""
    return [status for status in map(int, STATUS.findall(received)) if status >= 200]


def smuggled(target: Target) -> bytes:
    """Return a request that must never be executed."""
    body = target.body.replace(b"raw.request", b"smuggled")
    return target.head(f"Content-Length: {len(body)}") + body


def lengths(target: Target) -> Iterator[RawRequest]:
    """Yield requests whose length is ambiguous or invalid."""
    size, hidden = len(target.body), smuggled(target)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (size, target.body)
    conflicting = {
        "two lengths": (target.head(f"Content-Length: {size}", "Content-Length: 0"), target.body),
        "two lengths in one line": (target.head(f"Content-Length: {size}, 0"), target.body),
        "length and chunks": (target.head(f"Content-Length: {len(chunked)}", "Transfer-Encoding: chunked"), chunked),
        "chunks and length": (target.head("Transfer-Encoding: chunked", "Content-Length: 0"), chunked),
        "an unknown coding": (target.head("Transfer-Encoding: xchunked", f"Content-Length: {size}"), target.body),
        "chunked is not last": (target.head("Transfer-Encoding: chunked, identity"), chunked),
        "chunked twice": (target.head("Transfer-Encoding: chunked, chunked"), chunked),
        "a space before the colon": (target.head(f"Content-Length: {size}", "Transfer-Encoding : chunked"), chunked),
        "a folded coding": (target.head(f"Content-Length: {size}", "Transfer-Encoding:\r\n chunked"), chunked),
    }
    for name, (head, body) in conflicting.items():
        yield RawRequest(name, (head, body, hidden), REJECTED)
    for name, value in {
        "a length with a plus": f"+{size}",
        "a negative length": f"-{size}",
        "a length in hexadecimal": hex(size),
        "two lengths in one value": f"{size} {size}",
        "an enormous length": "1" + "0" * 30,
        "a length that is no number": "five",
        "an empty length": "",
    }.items():
        yield RawRequest(name, (target.head(f"Content-Length: {value}"), target.body, hidden), REJECTED)


def chunks(target: Target) -> Iterator[RawRequest]:
    """Yield chunked bodies, valid and broken."""
    head, body, hidden = target.head("Transfer-Encoding: chunked"), target.body, smuggled(target)
    one = b"%x\r\n%s\r\n" % (len(body), body)
    single = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    yield RawRequest("one chunk", (head, one + b"0\r\n\r\n"), ACCEPTED)
    yield RawRequest("chunks of one byte", (head, single + b"0\r\n\r\n"), ACCEPTED)
    yield RawRequest("trailers", (head, one + b"0\r\nX-Trailer: a\r\n\r\n"), ACCEPTED)
    for name, bad in {
        "a negative size": b"-1\r\n" + body,
        "a size with a plus": b"+5\r\n" + body,
        "a size with 0x": b"0x5\r\n" + body,
        "a size that is no number": b"z\r\n" + body,
        "an enormous size": b"f" * 17 + b"\r\n" + body,
        "content beyond its size": b"1\r\n" + body + b"\r\n0\r\n\r\n",
    }.items():
        yield RawRequest(name, (head, bad, hidden), REJECTED, may_close=True)
    yield RawRequest("a chunk cut short", (head, one[:-5]), REJECTED, may_close=True)


def heads(target: Target) -> Iterator[RawRequest]:
    """Yield odd heads."""
    length, body = f"Content-Length: {len(target.body)}", target.body
    for name, line in {
        "a zero byte in a value": "X-A: a\0b",
        "a name with a space": "X A: b",
        "a line without a colon": "nothing",
        "an empty name": ": b",
    }.items():
        yield RawRequest(name, (target.head(length, line), body), REJECTED, may_close=True)
    yield RawRequest("a bare carriage return", (target.head(length, "X-A: a\rX-B: b"), body), ANY, may_close=True)
    yield RawRequest("a second host", (target.head(length, "Host: example.com"), body), REJECTED)
    yield RawRequest("many headers", (target.head(length, *[f"X-{n}: a" for n in range(5_000)]), body), REJECTED)
    yield RawRequest("a long header", (target.head(length, "X-A: " + "a" * 500_000), body), REJECTED, may_close=True)
    yield RawRequest("HTTP/0.9", (b"POST " + target.path.encode() + b"\r\n",), REJECTED, may_close=True)
    yield RawRequest("HTTP/2", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), ANY, may_close=True)
    handshake = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20
    yield RawRequest("a TLS handshake", (handshake,), REJECTED, may_close=True)
    yield RawRequest("an unknown method", (target.head(length).replace(b"POST", b"STEAL", 1), body), REJECTED)
    yield RawRequest("an upgrade", (target.valid("Connection: Upgrade", "Upgrade: websocket"),), ACCEPTED)
    yield RawRequest("an unknown expectation", (target.valid("Expect: the-best"),), ACCEPTED | REJECTED)
    yield RawRequest("a body cut short", (target.head(length), body[:-1]), REJECTED, may_close=True)
    yield RawRequest("a head cut short", (target.head(length)[:-3],), REJECTED, may_close=True)


def raw_requests(target: Target) -> list[RawRequest]:
    """Return all requests of the list."""
    return [*lengths(target), *chunks(target), *heads(target)]


def mutated(chance: random.Random, request: bytes) -> bytes:
    """Return a request with a few random changes: bytes replaced, removed, doubled, or moved."""
    changed = bytearray(request)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        length = chance.choice((1, 1, 2, 8, 40))
        match chance.randrange(4):
            case 0:
                changed[at : at + 1] = chance.choice((b"\r", b"\n", b"\0", b" ", b":", b"\xff", b"0", b"\r\n\r\n"))
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case _:
                piece = bytes(changed[at : at + length])
                del changed[at : at + length]
                to = chance.randrange(len(changed) + 1)
                changed[to:to] = piece
        changed = changed or bytearray(b"x")
    return bytes(changed)
