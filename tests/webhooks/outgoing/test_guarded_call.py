"""Check outgoing calls against a server on loopback with valid, invalid and slow responses."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings

from tests.dns_server import Answer, DnsServer
from webhooks.outgoing import guarded_call, http_exchange
from webhooks.outgoing.call_limits import calls_per_host
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import (
    ConnectFailed,
    DeadlineExceeded,
    HostNotResolved,
    InvalidResponse,
    TlsFailed,
    TooManyCalls,
)
from webhooks.version import USER_AGENT
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.custom_headers import ForbiddenHeader

CALLS_PER_TENANT, CALLS_PER_HOST = settings.WAYPOST_CALLS_PER_TENANT, calls_per_host()
LOOPBACK = ("127.0.0.0/8", "::1/128")
PUBLIC = "93.184.215.14"

Script = Callable[[socket.socket], None]


class Server:
    """A server on loopback that reads one request per connection, records it and runs a script to respond."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.server_names: list[str | None] = []
        self._script, self._context = script, context
        if context:
            context.sni_callback = lambda connection, name, _: self.server_names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self._closing.is_set():
                    connection.close()
                    return
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=[connection]))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with closing(connection):
                self.requests.append(self._read_request(connection))
                self._script(connection)

    def _read_request(self, connection: socket.socket) -> bytes:
        with connection.makefile("rb") as stream:
            head = b""
            while (row := stream.readline()).rstrip():
                head += row
            length = re.search(rb"(?i)content-length: ([0-9]+)", head)
            return head + row + stream.read(int(length[1]) if length else 0)

    def close(self) -> None:
        self._closing.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(script: Script | bytes, context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(script if callable(script) else responding(script), context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def responding(text: bytes) -> Script:
    return lambda connection: connection.sendall(text)


def ok(body: bytes = b"", *more: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *more]
    return b"\r\n".join([*head, b"", body])


def endless(head: bytes, piece: bytes, pause: float = 0) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            sleep(pause)

    return script


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # returns when the caller closes the connection


class TlsServerContext:
    """A self-signed certificate for hooks.example.com, and a server context with it."""

    def __init__(self, folder: Path) -> None:
        self.ca_file = str(folder / "certificate.pem")
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        Path(self.ca_file).write_bytes(certificate.public_bytes(pem))
        (folder / "key.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(self.ca_file, folder / "key.pem")

    def options(self, server: Server) -> dict[str, Any]:
        return {
            "url": f"https://hooks.example.com:{server.port}/",
            "ca_file": self.ca_file,
        }


@pytest.fixture
def tls(tmp_path: Path) -> TlsServerContext:
    return TlsServerContext(tmp_path)


@pytest.fixture(autouse=True)
def names(dns: DnsServer) -> None:
    dns.answers |= dict.fromkeys(("hooks.example.com", "other.example.com"), Answer(("127.0.0.1",)))


def call(server: Server, path: str = "/", method: str = "POST", **changes: Any) -> CallResponse:
    return start(server, path, method, **changes).result()


def start(server: Server, path: str = "/", method: str = "POST", **changes: Any) -> Future[CallResponse]:
    options = {"share": "a", "allow_http": True, "allow_networks": LOOPBACK, "timeout": 10.0} | changes
    url = options.pop("url", f"http://127.0.0.1:{server.port}{path}")
    return guarded_call.start_call(method, url, **options)


def test_call_returns_the_response_unchanged(serve: Callable[..., Server]) -> None:
    server = serve(ok(b'{"a": 1}', b"Content-Type: application/json", b"X-Two: 1", b"X-Two: 2"))
    response = call(server, body=b"hello", headers={"Content-Type": "text/plain"})
    assert (response.status, response.body, response.truncated) == (200, b'{"a": 1}', False)
    assert response.headers["content-TYPE"] == "application/json"
    assert response.headers["X-Two"] == "1, 2"


def test_call_sends_the_request_unchanged(serve: Callable[..., Server]) -> None:
    server = serve(ok())
    call(server, "/a/../b%2Fc?x=%7E", "OPTIONS", headers={"WebHook-Request-Origin": "example.com"})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *fields = head.decode().splitlines()
    assert first == "OPTIONS /a/../b%2Fc?x=%7E HTTP/1.1"
    assert sorted(fields) == [
        "Accept-Encoding: identity",
        "Connection: close",
        f"Host: 127.0.0.1:{server.port}",
        f"User-Agent: {USER_AGENT}",
        "WebHook-Request-Origin: example.com",
    ]
    assert body == b""


def test_call_connects_to_the_address_and_sends_the_name(serve: Callable[..., Server]) -> None:
    server = serve(ok())
    url = f"http://hooks.example.com:{server.port}/"
    assert call(server, url=url).status == 200
    assert f"Host: hooks.example.com:{server.port}\r\n".encode() in server.requests[0]


def test_call_reaches_localhost_if_loopback_is_allowed(serve: Callable[..., Server]) -> None:
    server = serve(ok())
    assert call(server, url=f"http://localhost:{server.port}/").status == 200


def test_call_rejects_loopback_without_connecting(serve: Callable[..., Server], dns: DnsServer) -> None:
    server = serve(ok())
    dns.answers["rebound.example.com"] = Answer((PUBLIC, "127.0.0.1"))
    for host in ("127.0.0.1", "localhost", "[::1]", "rebound.example.com"):
        with pytest.raises(ForbiddenAddress):
            call(server, url=f"http://{host}:{server.port}/", allow_networks=())
    assert server.connections == 0


def test_call_uses_the_settings_by_default(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(ok())
    url = f"http://127.0.0.1:{server.port}/"
    open_house = SimpleNamespace(WAYPOST_ALLOW_HTTP=True, WAYPOST_ALLOW_NETWORKS=["127.0.0.0/8"])
    monkeypatch.setattr(guarded_call, "settings", open_house)
    assert guarded_call.call("GET", url, share="a").status == 200
    with pytest.raises(ForbiddenAddress):
        guarded_call.call("GET", url, share="a", allow_networks=())
    monkeypatch.setattr(open_house, "WAYPOST_ALLOW_HTTP", False)
    with pytest.raises(ForbiddenAddress, match="https"):
        guarded_call.call("GET", url, share="a")


def test_call_never_connects_to_a_rebound_address(
    serve: Callable[..., Server], dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(ok())
    dns.answers["rebind.example.com"] = Answer((PUBLIC,), ttl=0)
    dialled: list[tuple[str, int]] = []

    class RecordingSocket(socket.socket):
        def connect(self, address: Any) -> None:
            dialled.append(address)
            dns.answers["rebind.example.com"] = Answer(("127.0.0.1",), ttl=0)
            raise ConnectionRefusedError

    monkeypatch.setattr(http_exchange.socket, "socket", RecordingSocket)
    with pytest.raises(ConnectFailed):
        call(server, url=f"http://rebind.example.com:{server.port}/", allow_networks=())
    assert dialled == [(PUBLIC, server.port)]
    assert dns.asked_for("rebind.example.com") == 1
    monkeypatch.undo()
    assert server.connections == 0


def test_call_tries_the_next_address_after_a_refused_connection(serve: Callable[..., Server], dns: DnsServer) -> None:
    server = serve(ok())
    dns.answers["hooks.example.com"] = Answer(("::1", "127.0.0.2", "127.0.0.1"))
    assert call(server, url=f"http://hooks.example.com:{server.port}/").status == 200


def test_call_checks_each_address_right_before_it_connects(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(ok())
    monkeypatch.setattr(guarded_call, "check_resolved", lambda *_: None)
    with pytest.raises(ForbiddenAddress):
        call(server, url=f"http://hooks.example.com:{server.port}/", allow_networks=())
    assert server.connections == 0


def test_call_returns_a_redirect_without_following_it(serve: Callable[..., Server]) -> None:
    elsewhere = serve(ok())
    location = f"Location: http://127.0.0.1:{elsewhere.port}/".encode()
    server = serve(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + location + b"\r\n\r\n")
    response = call(server)
    assert response.status == 302
    assert response.headers["Location"].endswith(f":{elsewhere.port}/")
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found\r\nLocation: http://["])
def test_call_truncates_an_endless_body_at_the_limit(serve: Callable[..., Server], status: bytes) -> None:
    server = serve(endless(b"HTTP/1.1 " + status + b"\r\n\r\n", b"x" * 4096))
    response = call(server, max_response=1000)
    assert response.body == b"x" * 1000
    assert response.truncated


def test_call_truncates_an_endless_chunked_body_at_the_limit(serve: Callable[..., Server]) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(endless(head, b"400\r\n" + b"y" * 1024 + b"\r\n"))
    response = call(server, max_response=5000)
    assert response.body == b"y" * 5000
    assert response.truncated


def test_call_returns_a_body_of_the_limit_completely(serve: Callable[..., Server]) -> None:
    response = call(serve(ok(b"z" * 1000)), max_response=1000)
    assert (len(response.body), response.truncated) == (1000, False)


def test_call_does_not_decompress_the_body(serve: Callable[..., Server]) -> None:
    packed = b"\x1f\x8b\x08 not even gzip"
    assert call(serve(ok(packed, b"Content-Encoding: gzip"))).body == packed


DRIPS: dict[str, Script] = {
    "silence": silent,
    "headers": endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", 0.05),
    "interim responses": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "body": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", 0.05),
    "body without length": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.05),
    "chunks": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
}


@pytest.mark.parametrize("script", DRIPS.values(), ids=DRIPS)
def test_call_ends_a_slow_response_at_the_deadline(serve: Callable[..., Server], script: Script) -> None:
    server = serve(script)
    with pytest.raises(DeadlineExceeded):
        call(server, timeout=0.4)


def test_call_ends_a_slow_tls_response_at_the_deadline(serve: Callable[..., Server], tls: TlsServerContext) -> None:
    server = serve(DRIPS["headers"], tls.server)
    with pytest.raises(DeadlineExceeded):
        call(server, timeout=0.4, **tls.options(server))


def test_call_ends_a_hanging_lookup_at_the_deadline(dns: DnsServer) -> None:
    dns.answers["example.com"] = Answer(hangs=True)
    with pytest.raises(DeadlineExceeded):
        guarded_call.call("GET", "https://example.com/", share="a", timeout=0.2, allow_http=False, allow_networks=())


def test_call_raises_host_not_resolved_for_a_failing_lookup() -> None:
    with pytest.raises(HostNotResolved):
        guarded_call.call("GET", "https://missing.example.com/", share="a", allow_http=False, allow_networks=())


def test_call_raises_connect_failed_for_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectFailed):
        guarded_call.call("GET", f"http://127.0.0.1:{port}/", share="a", allow_http=True, allow_networks=LOOPBACK)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "not http", "short body", "bad chunk", "many headers", "long header"],
)
def test_call_raises_invalid_response_for_an_incomplete_response(serve: Callable[..., Server], text: bytes) -> None:
    with pytest.raises(InvalidResponse):
        call(serve(text))


def test_call_ignores_proxies_and_credentials_of_the_environment(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, server = serve(ok(b"from the proxy")), serve(ok(b"direct"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login us password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert call(server).body == b"direct"
    assert b"authorization" not in server.requests[0].lower()
    assert proxy.connections == 0


def test_call_does_not_keep_cookies(serve: Callable[..., Server]) -> None:
    server = serve(ok(b"", b"Set-Cookie: id=1; Path=/"))
    call(server)
    call(server)
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("headers", [{"X\r\nY": "z"}, {"X": "y\r\nZ: 1"}, {"X": "caf\u00e9"}])
def test_call_rejects_an_invalid_header(serve: Callable[..., Server], headers: dict[str, str]) -> None:
    server = serve(ok())
    with pytest.raises(ForbiddenHeader):
        call(server, headers=headers)
    assert server.connections == 0


def test_call_verifies_the_certificate_for_the_name(serve: Callable[..., Server], tls: TlsServerContext) -> None:
    server = serve(ok(b"secret"), tls.server)
    assert call(server, **tls.options(server)).body == b"secret"
    assert server.server_names == ["hooks.example.com"]


def test_call_rejects_a_certificate_for_another_name_before_sending(
    serve: Callable[..., Server], tls: TlsServerContext
) -> None:
    server = serve(ok(), tls.server)
    options = tls.options(server) | {"url": f"https://other.example.com:{server.port}/"}
    with pytest.raises(TlsFailed):
        call(server, **options)
    assert server.requests == []


def test_call_rejects_a_certificate_of_an_unknown_authority(
    serve: Callable[..., Server], tls: TlsServerContext
) -> None:
    server = serve(ok(), tls.server)
    with pytest.raises(TlsFailed):
        call(server, **tls.options(server) | {"ca_file": None})
    assert server.requests == []


def test_call_raises_tls_failed_for_plain_http_on_https(serve: Callable[..., Server], tls: TlsServerContext) -> None:
    class PlainServer(Server):
        def _read_request(self, connection: socket.socket) -> bytes:
            return connection.recv(1)

    bad_request = responding(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with closing(PlainServer(bad_request)) as server, pytest.raises(TlsFailed):
        call(server, **tls.options(server))


def test_call_does_not_start_beyond_a_limit_of_the_tenant(serve: Callable[..., Server]) -> None:
    servers = [serve(silent) for _ in range(1 + CALLS_PER_TENANT // CALLS_PER_HOST)]
    hanging = [start(server) for server in servers[:-1] for _ in range(CALLS_PER_HOST)]
    with pytest.raises(TooManyCalls, match=f"At most {CALLS_PER_TENANT} calls") as caught:
        call(servers[-1])
    assert caught.value.limit == "WAYPOST_CALLS_PER_TENANT"
    assert servers[-1].connections == 0
    for future in hanging:
        future.cancel()


def test_call_does_not_start_beyond_the_limit_of_a_host(serve: Callable[..., Server]) -> None:
    slow, quick = serve(silent), serve(ok())
    hanging = [start(slow) for _ in range(CALLS_PER_HOST)]
    with pytest.raises(TooManyCalls, match=f"At most {CALLS_PER_HOST} calls .* one host") as caught:
        call(slow)
    assert caught.value.limit == "WAYPOST_CALLS_PER_TENANT"
    assert call(quick).status == 200
    for future in hanging:
        future.cancel()


def test_call_of_one_tenant_is_answered_while_servers_of_another_hang(serve: Callable[..., Server]) -> None:
    slow, quick = serve(silent), serve(ok())
    hanging = [start(slow, share="hostile") for _ in range(2 * CALLS_PER_TENANT)]
    assert call(quick, share="neighbour").status == 200
    with pytest.raises(DeadlineExceeded):
        call(slow, share="neighbour", timeout=0.1)
    assert sum(future.done() for future in hanging) == 2 * CALLS_PER_TENANT - CALLS_PER_HOST
    for future in hanging:
        future.cancel()


def test_a_place_is_free_again_after_a_call_has_ended_or_was_cancelled(serve: Callable[..., Server]) -> None:
    slow, quick = serve(silent), serve(ok())
    for _ in range(2):
        hanging = [start(slow) for _ in range(CALLS_PER_HOST)]
        with pytest.raises(TooManyCalls):
            call(slow)
        for future in hanging:
            future.cancel()
        assert [call(quick).status for _ in range(2 * CALLS_PER_TENANT)] == [200] * 2 * CALLS_PER_TENANT


def test_call_does_not_go_to_the_deployment_itself(serve: Callable[..., Server], settings: Any) -> None:
    server = serve(ok())
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF = f"https://127.0.0.1:{server.port}", False
    with pytest.raises(ForbiddenAddress):
        call(server)
    assert server.connections == 0
    settings.WAYPOST_ALLOW_SELF = True
    assert call(server).status == 200
