"""Run a small DNS server on loopback (UDP and TCP) whose answers tests choose by name."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

A, CNAME, AAAA = 1, 5, 28
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
QR_RD_RA, TRUNCATED = 0x8180, 0x0200


@dataclass(frozen=True)
class Answer:
    """Describe an answer of the server about one name. `aliases`: names and TTLs of a chain of CNAMEs."""

    addresses: tuple[str, ...] = ()
    ttl: int = 60
    status: int = NO_ERROR
    hangs: bool = False
    truncated: bool = False
    """Over UDP there is no answer but the demand to ask over TCP."""
    aliases: tuple[tuple[str, int], ...] = ()


class DnsServer:
    """Answer queries for the names in `answers`, and for others with `default`. `asked` counts the questions by name.

    `on_query` is called with each name before the answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.default = Answer(status=NO_SUCH_NAME)
        self.on_query: Callable[[str], object] = lambda name: None
        self.asked: Counter[str] = Counter()
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(self._tcp.getsockname())
        self._threads = [threading.Thread(target=work) for work in (self._serve_udp, self._serve_tcp)]
        self._closing = False
        for thread in self._threads:
            thread.start()

    @property
    def address(self) -> str:
        host, port = self._tcp.getsockname()
        return f"{host}:{port}"

    def asked_for(self, name: str) -> int:
        """Count the lookups of a name: each asks for IPv4 and IPv6."""
        return self.asked[f"{name} {A}"]

    def close(self) -> None:
        self._closing = True
        self._udp.sendto(b"", self._tcp.getsockname())
        socket.create_connection(self._tcp.getsockname()).close()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while not self._closing:
            query, sender = self._udp.recvfrom(4096)
            answer = self._answer(query, "udp") if query else None
            if answer is not None:
                self._udp.sendto(answer, sender)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection, suppress(OSError), connection.makefile("rb") as stream:
                if self._closing:
                    return
                (length,) = struct.unpack("!H", stream.read(2))
                answer = self._answer(stream.read(length), "tcp")
                if answer is not None:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
                    stream.read(1)

    def _answer(self, query: bytes, protocol: str) -> bytes | None:
        name, kind, question = _question(query)
        self.asked[f"{name} {kind}"] += 1
        self.asked[protocol] += 1
        self.on_query(name)
        answer = self.answers.get(name, self.default)
        if answer.hangs:
            return None
        cut = answer.truncated and protocol == "udp"
        records = [] if cut else list(_records(name, kind, answer))
        flags = QR_RD_RA | answer.status | (TRUNCATED if cut else 0)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)


def _question(query: bytes) -> tuple[str, int, bytes]:
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    return ".".join(labels).lower(), kind, query[12 : at + 5]


def _records(name: str, kind: int, answer: Answer) -> Iterator[bytes]:
    owner = name
    for alias, ttl in answer.aliases:
        yield _record(owner, CNAME, ttl, _encoded(alias))
        owner = alias
    for text in answer.addresses:
        address = ip_address(text)
        if kind == (A if address.version == 4 else AAAA):
            yield _record(owner, kind, answer.ttl, address.packed)


def _record(owner: str, kind: int, ttl: int, data: bytes) -> bytes:
    return _encoded(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


@contextmanager
def dns_server() -> Iterator[DnsServer]:
    """Run a server for the body of a `with` statement."""
    server = DnsServer()
    try:
        yield server
    finally:
        server.close()
