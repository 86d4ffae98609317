"""Load the server itself: connections, heads, pipelining, odd requests."""

from tests.isolation.attack import attack
from tests.isolation.attacker import Attacker


@attack(19, "heads that drip", is_short=True)
def slow_heads(attacker: Attacker) -> None:
    """2,000 connections send the head of a request, one line in eight seconds."""
    attacker.hold(2_000, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-A: b\r\n")


@attack(20, "idle connections")
def idle_connections(attacker: Attacker) -> None:
    """2,000 connections stay open after one request."""
    attacker.hold(2_000, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


@attack(21, "readers that do not read")
def slow_readers(attacker: Attacker) -> None:
    """200 connections request large responses, and do not read them."""
    for _ in range(5):
        attacker.publish(*({"type": "large", "data": "d" * 4_000} for _ in range(50)))
    request = (
        f"GET /api/v1/events/?limit=250&include=deliveries HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {attacker.key}\r\n\r\n"
    )
    attacker.hold(200, request.encode() * 20)


@attack(23, "huge heads")
def huge_heads(attacker: Attacker) -> None:
    """16 connections send heads of 1 MB, and many small headers."""
    large = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: " + b"x" * 1_000_000 + b"\r\n\r\n"
    many = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-A: b\r\n" * 100_000 + b"\r\n"
    for head in (large, many):

        def send(it: bytes = head) -> None:
            with attacker.connect() as raw:
                raw.sendall(it)
                raw.recv(4096)

        attacker.clients(8, send)


@attack(48, "upgrades, CONNECT, expectations, garbage")
def odd_requests(attacker: Attacker) -> None:
    """Connections ask for WebSockets, tunnels, 100-continue, HTTP/2, or send garbage."""
    for opening in (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"POST /in/x/ HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" * 100,
        b"POST /in/x/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ):
        attacker.hold(50, opening, b"x", every=1.0)


@attack(53, "pipelining")
def pipelining(attacker: Attacker) -> None:
    """Eight connections send a thousand requests at once, each."""

    def send() -> None:
        with attacker.connect() as raw:
            raw.sendall(b"GET /api/v1/events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000)
            for _ in range(20):
                raw.recv(65536)

    attacker.clients(8, send)
