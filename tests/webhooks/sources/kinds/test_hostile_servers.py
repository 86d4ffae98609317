"""Test that a server that does not speak its protocol ends a call by its deadline, by a sentence, in little memory."""

import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.memory import peak_of
from tests.receiver import Receiver, status
from tests.webhooks.sources.kinds.hostile_server import (
    PIECE,
    Behaviour,
    HostileServer,
    begins,
    closes_at_once,
    says_nothing,
    sends_a_byte_now_and_then,
    talks_nonsense,
)
from tests.webhooks.sources.kinds.reading import connection_to
from webhooks.outgoing.brokers import amqp_broker, kafka_cluster, nats_server
from webhooks.readers.other_systems import ask
from webhooks.sources.kinds.aws import client as aws
from webhooks.sources.kinds.google import pubsub
from webhooks.sources.kinds.kafka import schema_registry
from webhooks.sources.kinds.kafka.schema_registry import SchemaNotFound, SchemaRegistry
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.sources.kinds.poll import pages
from webhooks.sources.kinds.registry import find_kind

pytestmark = pytest.mark.usefixtures("loopback")

MIB = 1024**2
DEADLINE = 0.4  # seconds of each call here
MOST = 160 * MIB  # all behaviours at once; without limits, each that never ends takes more
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

ANY: Sequence[Behaviour] = (
    says_nothing,
    closes_at_once,
    talks_nonsense,
    sends_a_byte_now_and_then,
)
HTTP: Sequence[Behaviour] = (
    begins(OK + b"Content-Length: 1000\r\n\r\n{"),
    begins(b"HTTP/1.1 200"),
    begins(OK, then=b"X-More: and more\r\n" * 1000),
    begins(OK + b"X-More: ", then=PIECE.replace(b"\x00", b"x")),
    begins(OK + b"Content-Length: 10000000000\r\n\r\n", then=PIECE),
    begins(OK + b"Transfer-Encoding: chunked\r\n\r\n", then=b"40000\r\n" + PIECE + b"\r\n"),
    begins(OK + b"\r\n", then=PIECE),
    begins(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/secret\r\nContent-Length: 0\r\n\r\n"),
    begins(b"HTTP/1.1 100 Continue\r\n\r\n", then=b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    begins(OK + b"Content-Length: 9\r\n\r\nnonsense!"),
    begins(OK + b"Content-Length: 1000\r\n\r\n" + b"[" * 1000),
)
AMQP_START = b"\x01\x00\x00" + struct.pack(">I", 3_000_000_000)
INFO = b'INFO {"server_id":"x","max_payload":1048576,"headers":true}\r\n'
KAFKA_SIZES = (2_000_000_000, -5, 3)


def answers_nats(*, then: bytes, start: bytes = b"") -> Behaviour:
    """Return a behaviour that shakes hands as a NATS server does, sends a line, and then something without end."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(INFO)
        received = b""
        while b"PING" not in received:
            received += connection.recv(65536)
        connection.sendall(b"PONG\r\n")
        connection.recv(65536)
        connection.sendall(start)
        while True:
            connection.sendall(then)

    return answer


AWS = {"access_key_id": "AKIA", "secret_access_key": "secret"}


def trying(kind: str, settings: Callable[[int], dict[str, Any]], credentials: Mapping[str, str]) -> Callable[..., None]:
    """Return work that tests the settings of a kind against the server at a port, as REST does."""

    def test(port: int) -> None:
        found = find_kind(kind)
        connection = connection_to(found, settings(port), dict(credentials), source=f"src_{port}")
        ask(lambda: found.test(connection), port, seconds=60)

    return test


def of_registry(port: int) -> None:
    settings = {"values": "confluent", "registry_url": f"http://127.0.0.1:{port}"}
    SchemaRegistry(Connection("src_registry", port, settings)).fetch("ids/7")


def http(port: int) -> str:
    return f"http://127.0.0.1:{port}"


CASES: dict[str, tuple[Callable[[int], None], Sequence[Behaviour]]] = {
    "kafka": (
        trying("kafka", lambda port: {"bootstrap_servers": f"127.0.0.1:{port}", "topic": "t", "tls": False}, {}),
        [begins(struct.pack(">i", size), then=PIECE) for size in KAFKA_SIZES] + [begins(b"\x00\x00")],
    ),
    "schema registry": (of_registry, HTTP),
    "amqp": (
        trying(
            "amqp",
            lambda port: {"host": f"127.0.0.1:{port}", "tls": False, "username": "u", "queue": "q"},
            {"password": "p"},
        ),
        [begins(AMQP_START, then=PIECE), begins(b"AMQP\x00\x00\x09\x01"), begins(b"\x01\x00\x00\x00\x00")],
    ),
    "nats": (
        trying("nats", lambda port: {"host": f"127.0.0.1:{port}", "tls": False, "stream": "S"}, {}),
        [
            begins(b"INFO ", then=PIECE, after_request=False),
            begins(INFO, after_request=False),
            begins(INFO, then=PIECE, after_request=False),
            answers_nats(then=PIECE),
            answers_nats(start=b"MSG a 1 9999999999\r\n", then=PIECE),
            answers_nats(then=b"MSG a 1 2\r\nab\r\n" * 1000),
        ],
    ),
    "poll": (trying("poll", lambda port: {"url": http(port), "interval_seconds": 60}, {}), HTTP),
    "sqs": (
        trying("sqs", lambda port: {"queue": "q", "region": "eu-north-1", "endpoint_url": http(port)}, AWS),
        HTTP,
    ),
    "kinesis": (
        trying("kinesis", lambda port: {"stream": "s", "region": "eu-north-1", "endpoint_url": http(port)}, AWS),
        HTTP,
    ),
    "pubsub": (
        trying("pubsub", lambda port: {"subscription": "projects/p/subscriptions/sub", "endpoint_url": http(port)}, {}),
        HTTP,
    ),
}


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (amqp_broker, "CONNECT_SECONDS"),
        (amqp_broker, "CALL_SECONDS"),
        (kafka_cluster, "CONNECT_SECONDS"),
        (nats_server, "CONNECT_SECONDS"),
        (nats_server, "CALL_SECONDS"),
        (aws, "CALL_SECONDS"),
        (pubsub, "CALL_SECONDS"),
        (pages, "TIMEOUT"),
        (schema_registry, "SECONDS"),
    ):
        monkeypatch.setattr(module, name, DEADLINE)


@pytest.mark.parametrize("system", CASES)
def test_hostile_server_ends_a_call_with_a_sentence_and_in_little_memory(system: str) -> None:
    call, behaviours = CASES[system]
    with ExitStack() as servers:
        ports = [servers.enter_context(HostileServer(it)).port for it in (*ANY, *behaviours)]
        assert peak_of(lambda: call_all(call, ports)) < MOST


def call_all(call: Callable[[int], None], ports: Sequence[int]) -> None:
    """Call all servers at once; fail unless each call ends with a sentence."""
    with ThreadPoolExecutor(len(ports)) as threads:
        futures = [threads.submit(call, port) for port in ports]
    for number, future in enumerate(futures):
        error = future.exception()
        assert isinstance(error, (SourceUnavailable, SchemaNotFound)), (number, error)
        assert str(error)[:1].isupper(), (number, str(error))
        assert str(error).endswith("."), (number, str(error))


def test_hostile_server_of_one_source_does_not_keep_another_from_being_read(
    receiver_server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "TIMEOUT", 60.0)
    url = receiver_server.script("/items", status(200, b'[{"id": 1}]'))
    good = connection_to(find_kind("poll"), {"url": url, "interval_seconds": 60}, {})
    with ExitStack() as stack:
        flooding = [answers_nats(then=PIECE), answers_nats(then=b"MSG a 1 2\r\nab\r\n" * 1000)]
        ports = [stack.enter_context(HostileServer(it)).port for it in flooding]
        threads = stack.enter_context(ThreadPoolExecutor(len(ports)))
        futures = [threads.submit(CASES["nats"][0], port) for port in ports]
        sample = find_kind("poll").test(good)
        assert sample.record is not None
        assert all(isinstance(it.exception(60), SourceUnavailable) for it in futures)
