"""The HTTP sender against a real server, one row for each way to fail."""

import gc
import ipaddress
import socket
import ssl
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from delivery.transports.http import sender as sender_module
from delivery.transports.http.request import MAX_RESPONSE
from delivery.transports.http.sender import HttpSender
from delivery.transports.outcome import Failure
from subscriptions.endpoints.http.certificates import TlsFiles
from tests import receiver as scripts
from tests.clock import from_now
from tests.delivery.factories_lanes import make_in_flight
from tests.delivery.transports.http.sending import make_request, send
from tests.pki import Authority, Issued
from tests.ports import free_port
from tests.receiver import Receiver
from tests.waiting import wait_until


def test_sender_refuses_a_success_whose_body_matches_the_failure_pattern(
    sender: HttpSender, receiver: Receiver
) -> None:
    receiver.script("/api", scripts.status(200, b'{"ok":false}'), scripts.status(200, b'{"ok":true}'))
    pattern = '{"ok": [false]}'
    first = send(sender, make_request(receiver.url("/api"), failure_pattern=pattern))[0]
    second = send(sender, make_request(receiver.url("/api"), failure_pattern=pattern))[0]
    assert (first.status, first.failure, first.rejected) == (200, Failure.REFUSED, True)
    assert (second.status, second.failure) == (200, None)


class TestOurErrors:
    """An error of ours is never shown as the endpoint's."""

    def test_url_that_was_not_encoded_is_internal(self, sender: HttpSender) -> None:
        (outcome,) = send(sender, make_request("http://127.0.0.1:80:80/"))
        assert outcome.failure is Failure.INTERNAL

    def test_exception_while_an_address_is_checked_is_internal(self, sender: HttpSender, receiver: Receiver) -> None:
        def fail(_ip: str) -> bool:
            raise LookupError

        (outcome,) = send(sender, make_request(receiver.url(), admits=fail))
        assert (outcome.failure, receiver.arrivals) == (Failure.INTERNAL, [])

    def test_attempt_after_one_that_failed_so_is_sent(self, sender: HttpSender, receiver: Receiver) -> None:
        send(sender, make_request(receiver.url(), headers=["x: \0"]))
        assert send(sender, make_request(receiver.url()))[0].delivered


class TestRequests:
    def test_request_body_and_path_arrive_unchanged(self, sender: HttpSender, receiver: Receiver) -> None:
        body = bytes(range(256)) * 100
        (outcome,) = send(sender, make_request(receiver.url("/hooks?a=%2f&b"), body=body))
        (arrival,) = receiver.arrivals
        assert outcome.delivered
        assert (arrival.path, arrival.body) == ("/hooks?a=%2f&b", body)

    def test_path_with_dot_segments_is_sent_unchanged(self, sender: HttpSender, receiver: Receiver) -> None:
        send(sender, make_request(receiver.url("/a/../b/./c")))
        assert receiver.arrivals[0].path == "/a/../b/./c"

    def test_request_has_identity_encoding_and_no_expect_header(self, sender: HttpSender, receiver: Receiver) -> None:
        send(sender, make_request(receiver.url(), body=b"x" * 2_000_000))
        headers = receiver.arrivals[0].headers
        assert headers["accept-encoding"] == "identity"
        assert "expect" not in headers

    def test_proxy_of_the_environment_is_ignored(self, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        with closing(HttpSender(allow_http=True)) as sender:
            (outcome,) = send(sender, make_request(receiver.url()))
        assert outcome.delivered

    def test_cookie_of_a_response_is_not_sent_back(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.status(200, set_cookie="a=b"))
        send(sender, make_request(receiver.url()))
        send(sender, make_request(receiver.url()))
        assert "cookie" not in receiver.arrivals[1].headers

    def test_netrc_file_is_not_read(self, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("default login a password b")
        monkeypatch.setenv("HOME", str(tmp_path))
        with closing(HttpSender(allow_http=True)) as sender:
            send(sender, make_request(receiver.url()))
        assert "authorization" not in receiver.arrivals[0].headers

    def test_successive_requests_share_one_connection(self, sender: HttpSender, receiver: Receiver) -> None:
        for _ in range(5):
            send(sender, make_request(receiver.url()))
        assert len({it.connection for it in receiver.arrivals}) == 1

    def test_connection_closed_by_the_server_fails_no_request(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.status(200, connection="close"))
        outcomes = [send(sender, make_request(receiver.url()))[0] for _ in range(3)]
        assert [it.status for it in outcomes] == [200, 200, 200]

    def test_many_requests_run_at_once(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.slow(0.2))
        outcomes = send(sender, *(make_request(receiver.url()) for _ in range(200)))
        assert {it.status for it in outcomes} == {200}
        assert len(receiver.arrivals) == 200


class TestMemory:
    def test_body_is_freed_when_its_attempt_has_ended(self, sender: HttpSender, receiver: Receiver) -> None:
        body = bytes(100_000)
        references = sys.getrefcount(body)
        send(sender, make_request(receiver.url(), body=body))
        assert sys.getrefcount(body) == references

    def test_closed_sender_leaves_no_cycles_that_hold_requests(self, receiver: Receiver) -> None:
        gc.collect()
        gc.disable()
        try:
            sender = HttpSender(allow_http=True)
            send(sender, make_request(receiver.url()))
            exchange = sender._kept.take()
            assert exchange is not None
            sender._kept.keep(exchange)
            handle = weakref.ref(exchange)
            del exchange
            sender.close()
            del sender
            assert handle() is None
        finally:
            gc.enable()


class FullServer:
    """Listen with a full backlog: connecting takes as long as one waits. Use as a context manager for the port."""

    def __enter__(self) -> int:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        address = self._listening.getsockname()
        self._waiting: list[socket.socket] = []
        is_full = False
        while not is_full:
            one = socket.socket()
            self._waiting.append(one)
            one.settimeout(0.1)
            try:
                one.connect(address)
            except TimeoutError:
                is_full = True
        return int(address[1])

    def __exit__(self, *error: object) -> None:
        for one in [self._listening, *self._waiting]:
            one.close()


CASES: list[tuple[str, Callable[[scripts.Exchange], None], int | None, Failure | None]] = [
    ("200", scripts.status(200), 200, None),
    ("204", scripts.status(204), 204, None),
    ("299", scripts.status(299), 299, None),
    ("400", scripts.status(400), 400, Failure.STATUS),
    ("410", scripts.status(410), 410, Failure.STATUS),
    ("429", scripts.status(429), 429, Failure.STATUS),
    ("500", scripts.status(500), 500, Failure.STATUS),
    ("999", scripts.status(999), 999, Failure.STATUS),
    ("four digits", scripts.status(2000), None, Failure.PROTOCOL),
    ("slow", scripts.slow(0.3), 200, None),
    ("hang", scripts.hang, None, Failure.TIMEOUT),
    ("drip of the head", scripts.drip_head, None, Failure.TIMEOUT),
    ("drip of the headers", scripts.drip_headers, 200, None),
    ("drip of the body", scripts.drip_body, 200, None),
    ("reset", scripts.reset, None, Failure.RESET),
    ("hang up", scripts.hang_up, None, Failure.RESET),
    ("cut short", scripts.cut_short, 200, None),
    ("garbage", scripts.garbage, None, Failure.PROTOCOL),
    ("huge body", scripts.huge(1_000_000), 200, None),
    ("endless body", scripts.endless, 200, None),
    ("gzip bomb", scripts.gzip_bomb, 200, None),
    ("a head of 20 kB", scripts.huge_head(20_000), 200, None),
    ("a head of 40 kB", scripts.huge_head(40_000), 200, None),
    ("a head of 4 MB", scripts.huge_head(4_000_000), 200, None),
    ("a few interim responses", scripts.interim(3), 200, None),
    ("an interim response and an error", scripts.interim(1, then=500), 500, Failure.STATUS),
    ("a flood of interim responses", scripts.interim(10_000), None, Failure.PROTOCOL),
    ("a redirect", scripts.redirect("/elsewhere"), 302, Failure.STATUS),
    ("a permanent redirect", scripts.redirect("/elsewhere", 308), 308, Failure.STATUS),
]

AFTER_THE_STATUS_LINE: list[tuple[str, bytes]] = [
    ("the end of the connection", b""),
    ("a header line of 150 kB", b"x-long: " + b"." * 150_000 + b"\r\ncontent-length: 0\r\n\r\n"),
    ("a header line without an end", b"x-long: " + b"." * 1_000_000),
    ("a header line without a colon", b"no colon\r\ncontent-length: 0\r\n\r\n"),
    ("a header line with a NUL", b"x-nul: \0\r\ncontent-length: 0\r\n\r\n"),
    ("a first header line that is folded", b" folded: 1\r\ncontent-length: 0\r\n\r\n"),
    ("a header section that is cut short", b"content-length: 0\r\nx-cut"),
    ("a length of 25 digits", b"content-length: 9999999999999999999999999\r\n\r\nok"),
    ("a negative length", b"content-length: -1\r\n\r\nok"),
    ("a length that is no number", b"content-length: many\r\n\r\nok"),
    ("two lengths", b"content-length: 2\r\ncontent-length: 7\r\n\r\nok"),
    ("a body that is cut short", b"content-length: 1000\r\n\r\nok"),
    ("an unknown transfer coding", b"transfer-encoding: frobnicated\r\n\r\nok"),
    ("a chunk without a size", b"transfer-encoding: chunked\r\n\r\nnot a size\r\nok"),
    ("chunks that are cut short", b"transfer-encoding: chunked\r\n\r\n64\r\nok"),
    ("trailers that are malformed", b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nno colon\r\n"),
    ("trailers of 1 MB", b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x-trailer: 1\r\n" * 80_000),
    ("a content coding that is not used", b"content-encoding: br\r\ncontent-length: 2\r\n\r\nok"),
]
NO_STATUS_LINES = [
    *(b"HTTP/9.9 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 abc", b"HTTP/1.1"),
    *(b"HTTP/1.1 200" + b"0" * 40, b"HTTP/1.1 200 " + b"." * 150_000, b"ICY 200 OK", b"HTTP/0.9 200 OK"),
]


def timeout_for(response: scripts.Respond) -> int:
    """Return the timeout in milliseconds: short for responses that never come."""
    return 1_200 if response in (scripts.hang, scripts.drip_head) else 60_000


class TestOutcomes:
    @pytest.mark.parametrize(("response", "status", "failure"), [it[1:] for it in CASES], ids=[it[0] for it in CASES])
    def test_every_kind_of_response_becomes_an_outcome(
        self,
        sender: HttpSender,
        receiver: Receiver,
        response: scripts.Respond,
        status: int | None,
        failure: Failure | None,
    ) -> None:
        receiver.script("/", response)
        (outcome,) = send(sender, make_request(receiver.url(), timeout_ms=timeout_for(response)))
        assert (outcome.status, outcome.failure) == (status, failure)
        assert len(receiver.arrivals) == 1

    @pytest.mark.parametrize("status", [201, 410, 500])
    @pytest.mark.parametrize(
        "rest", [it[1] for it in AFTER_THE_STATUS_LINE], ids=[it[0] for it in AFTER_THE_STATUS_LINE]
    )
    def test_status_line_decides_however_the_rest_of_the_response_is(
        self, sender: HttpSender, receiver: Receiver, status: int, rest: bytes
    ) -> None:
        url = receiver.script("/", scripts.raw(b"HTTP/1.1 %d Scripted\r\n" % status, rest))
        (outcome,) = send(sender, make_request(url))
        assert (outcome.status, outcome.delivered, outcome.gone) == (status, status == 201, status == 410)
        assert len(receiver.arrivals) == 1

    @pytest.mark.parametrize("line", NO_STATUS_LINES)
    def test_response_without_a_status_line_is_a_failure_of_the_protocol(
        self, sender: HttpSender, receiver: Receiver, line: bytes
    ) -> None:
        url = receiver.script("/", scripts.raw(line + b"\r\ncontent-length: 0\r\n\r\n"))
        (outcome,) = send(sender, make_request(url))
        assert (outcome.status, outcome.failure) == (None, Failure.PROTOCOL)

    def test_connection_of_a_malformed_response_is_not_reused(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.raw(b"HTTP/1.1 200 OK\r\n", b"no colon\r\ncontent-length: 0\r\n\r\n"), 200)
        outcomes = [send(sender, make_request(receiver.url()))[0] for _ in range(2)]
        assert [it.status for it in outcomes] == [200, 200]
        assert len({it.connection for it in receiver.arrivals}) == 2

    def test_every_kind_of_response_at_once_leaves_the_others_undisturbed(
        self, sender: HttpSender, receiver: Receiver
    ) -> None:
        requests = [
            make_request(receiver.script(f"/{number}", response), timeout_ms=timeout_for(response))
            for number, (_, response, *_) in enumerate(CASES)
        ]
        outcomes = send(sender, *requests)
        assert [(it.status, it.failure) for it in outcomes] == [(it[2], it[3]) for it in CASES]

    @pytest.mark.parametrize("response", [scripts.hang, scripts.drip_head])
    def test_timeout_is_absolute(self, sender: HttpSender, receiver: Receiver, response: scripts.Respond) -> None:
        receiver.script("/", response)
        (outcome,) = send(sender, make_request(receiver.url(), timeout_ms=1_200))
        assert 1_100 <= outcome.duration_ms < 60_000  # dripping would go on for an hour

    @pytest.mark.parametrize("code", [200, 500])
    def test_response_whose_body_never_ends_counts_by_its_status_and_closes_its_connection(
        self, sender: HttpSender, receiver: Receiver, code: int
    ) -> None:
        def stall(exchange: scripts.Exchange) -> None:
            exchange.head(code, content_length=10)
            exchange.write(b"thanks")
            exchange.pause()

        receiver.script("/", stall, 200)
        (outcome,) = send(sender, make_request(receiver.url(), timeout_ms=600_000))
        assert (outcome.status, outcome.delivered, outcome.response) == (code, code == 200, b"thanks")
        assert outcome.duration_ms < 60_000
        send(sender, make_request(receiver.url()))
        assert len({it.connection for it in receiver.arrivals}) == 2

    def test_body_that_takes_a_moment_is_kept(
        self, sender: HttpSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sender_module, "RESPONSE_WITHIN", 60.0)

        def pause(exchange: scripts.Exchange) -> None:
            exchange.head(200, content_length=6)
            exchange.write(b"tha")
            exchange.pause(0.05)
            exchange.write(b"nks")

        receiver.script("/", pause)
        outcomes = [send(sender, make_request(receiver.url()))[0] for _ in range(2)]
        assert [it.response for it in outcomes] == [b"thanks", b"thanks"]
        assert len({it.connection for it in receiver.arrivals}) == 1

    def test_redirect_is_not_followed(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.redirect(receiver.url("/elsewhere"), 307))
        send(sender, make_request(receiver.url()))
        assert not receiver.at("/elsewhere")

    def test_refused_connection_is_a_connect_failure(self, sender: HttpSender) -> None:
        (outcome,) = send(sender, make_request(f"http://127.0.0.1:{free_port()}/"))
        assert (outcome.status, outcome.failure) == (None, Failure.CONNECT)

    @pytest.mark.parametrize("timeout_ms", [1_000, pytest.param(6_000, marks=pytest.mark.slow)])
    def test_time_to_connect_is_the_timeout_of_the_endpoint(self, sender: HttpSender, timeout_ms: int) -> None:
        with FullServer() as port:
            (outcome,) = send(sender, make_request(f"http://127.0.0.1:{port}/", timeout_ms=timeout_ms))
        assert outcome.failure is Failure.TIMEOUT
        assert outcome.duration_ms >= timeout_ms - 100

    def test_host_to_which_no_route_leads_is_unreachable(self, sender: HttpSender) -> None:
        (outcome,) = send(sender, make_request("http://224.0.0.1/"))  # TCP has no route to a multicast address
        assert (outcome.status, outcome.failure) == (None, Failure.UNREACHABLE)
        assert not outcome.overloaded

    def test_switch_of_protocols_is_a_response_of_its_own(self, sender: HttpSender, receiver: Receiver) -> None:
        url = receiver.script("/", scripts.switch_protocols, 200)
        (outcome,) = send(sender, make_request(url, timeout_ms=60_000))
        assert (outcome.status, outcome.failure, outcome.overloaded, outcome.retry_after) == (
            101,
            Failure.STATUS,
            False,
            None,
        )
        (outcome,) = send(sender, make_request(url))
        assert outcome.delivered
        assert len({it.connection for it in receiver.arrivals}) == 2

    def test_unresolvable_name_is_a_dns_failure(self, sender: HttpSender) -> None:
        (outcome,) = send(sender, make_request("http://unknown.invalid/"))
        assert (outcome.status, outcome.failure) == (None, Failure.DNS)

    def test_forbidden_address_is_not_connected_to(self, sender: HttpSender, receiver: Receiver) -> None:
        dialled: list[str] = []

        def refuse(ip: str) -> bool:
            dialled.append(ip)
            return False

        (outcome,) = send(sender, make_request(receiver.url(host="localhost"), admits=refuse))
        assert (outcome.status, outcome.failure) == (None, Failure.FORBIDDEN)
        assert set(dialled) <= {"127.0.0.1", "::1"}
        assert dialled
        assert not receiver.arrivals

    def test_one_forbidden_address_of_a_name_forbids_the_name(self, sender: HttpSender, receiver: Receiver) -> None:
        addresses = {info[4][0] for info in socket.getaddrinfo("localhost", receiver.port, type=socket.SOCK_STREAM)}
        first: list[str] = []

        def refuse_the_first(ip: str) -> bool:
            first.append(ip)
            return ip != first[0]

        (outcome,) = send(sender, make_request(receiver.url(host="localhost"), admits=refuse_the_first))
        assert outcome.failure is Failure.FORBIDDEN, addresses
        assert not receiver.arrivals

    def test_kept_connection_is_used_only_by_a_request_that_may_connect_there(
        self, sender: HttpSender, receiver: Receiver
    ) -> None:
        send(sender, make_request(receiver.url("/allowed")))
        (outcome,) = send(sender, make_request(receiver.url("/other"), admits=lambda ip: False))
        assert outcome.failure is Failure.FORBIDDEN
        assert [it.path for it in receiver.arrivals] == ["/allowed"]

    def test_plain_http_without_allow_http_is_not_sent(self, receiver: Receiver) -> None:
        with closing(HttpSender(allow_http=False)) as sender:
            (outcome,) = send(sender, make_request(receiver.url()))
        assert outcome.failure is Failure.FORBIDDEN
        assert not receiver.arrivals

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/", "telnet://127.0.0.1/", "nonsense"])
    def test_url_of_another_protocol_is_not_sent(self, sender: HttpSender, url: str) -> None:
        (outcome,) = send(sender, make_request(url))
        assert not outcome.delivered
        assert outcome.status is None

    @pytest.mark.parametrize(
        "changes",
        [{"url": "http://127.0.0.1/\u20ac"}, {"url": "http://127.0.0.1/\0"}, {"headers": ["x-name: \u20ac"]}],
    )
    def test_request_that_libcurl_rejects_fails_without_stopping_others(
        self, sender: HttpSender, receiver: Receiver, changes: dict[str, Any]
    ) -> None:
        impossible = make_request(**{"url": receiver.url(), **changes})
        outcomes = send(sender, impossible, make_request(receiver.url("/other")))
        assert [it.failure for it in outcomes] == [Failure.INTERNAL, None]


class TestResponses:
    def test_short_response_is_kept(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.status(500, b"no such order \xff"))
        (outcome,) = send(sender, make_request(receiver.url()))
        assert outcome.response == b"no such order \xff"

    @pytest.mark.parametrize("response", [scripts.huge(1_000_000), scripts.endless])
    def test_long_response_is_cut(self, sender: HttpSender, receiver: Receiver, response: scripts.Respond) -> None:
        receiver.script("/", response)
        (outcome,) = send(sender, make_request(receiver.url()))
        assert outcome.response == b"x" * MAX_RESPONSE

    def test_connection_of_a_cut_response_is_not_reused(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.huge(10_000_000), 200)
        outcomes = [send(sender, make_request(receiver.url()))[0] for _ in range(2)]
        assert [it.status for it in outcomes] == [200, 200]
        assert len({it.connection for it in receiver.arrivals}) == 2

    def test_compressed_response_is_not_decompressed(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.gzip_bomb)
        (outcome,) = send(sender, make_request(receiver.url()))
        assert outcome.response.startswith(b"\x1f\x8b")
        assert len(outcome.response) <= MAX_RESPONSE

    @pytest.mark.parametrize("code", [429, 503])
    def test_retry_after_header_is_read(self, sender: HttpSender, receiver: Receiver, code: int) -> None:
        receiver.script("/", scripts.status(code, Retry_After=" 120"))
        (outcome,) = send(sender, make_request(receiver.url()))
        assert outcome.retry_after == 120

    def test_retry_after_is_not_carried_over_to_the_next_response(self, sender: HttpSender, receiver: Receiver) -> None:
        receiver.script("/", scripts.status(503, retry_after=120), 503)
        waits = [send(sender, make_request(receiver.url()))[0].retry_after for _ in range(2)]
        assert waits == [120, None]


def self_signed(folder: Path, host: str = "localhost") -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


class TestTls:
    def test_self_signed_certificate_is_a_tls_failure(self, sender: HttpSender, tmp_path: Path) -> None:
        with Receiver(tls=self_signed(tmp_path)) as receiver:
            (outcome,) = send(sender, make_request(receiver.url()))
            assert not receiver.arrivals
        assert (outcome.status, outcome.failure) == (None, Failure.TLS_ISSUER)

    def test_server_without_tls_is_a_tls_failure(self, sender: HttpSender, receiver: Receiver) -> None:
        (outcome,) = send(sender, make_request(receiver.url().replace("http:", "https:")))
        assert (outcome.status, outcome.failure) == (None, Failure.TLS_PLAINTEXT)

    @pytest.mark.parametrize(
        ("dates", "host", "failure"),
        [
            ({"until": timedelta(minutes=-1)}, "localhost", Failure.TLS_EXPIRED),
            ({"since": timedelta(minutes=30)}, "localhost", Failure.TLS_EXPIRED),
            ({}, "127.0.0.1", Failure.TLS_NAME),
            ({}, "localhost", None),
        ],
    )
    def test_certificate_is_refused_for_its_reason(
        self, sender: HttpSender, tmp_path: Path, dates: dict[str, timedelta], host: str, failure: Failure | None
    ) -> None:
        authority = Authority()
        issued = authority.issue("localhost", address="127.0.0.9", **from_now(dates))
        (tmp_path / "server.pem").write_text(issued.key + issued.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        with Receiver(tls=context) as receiver:
            url = f"https://{host}:{receiver.port}/"
            (outcome,) = send(sender, make_request(url, tls=files(None, ca=authority.pem)))
        assert outcome.failure is failure

    def test_server_with_old_versions_only_is_told_so(self, sender: HttpSender, tmp_path: Path) -> None:
        authority = Authority()
        context = authority.server(tmp_path)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):  # that these versions are deprecated
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with Receiver(tls=context) as receiver:
            (outcome,) = send(sender, make_request(receiver.url(host="localhost"), tls=files(None, ca=authority.pem)))
        assert outcome.failure is Failure.TLS_VERSION


AUTHORITY, CLIENTS = Authority("the server's"), Authority("the clients'")


@pytest.fixture
def demanding(tmp_path: Path) -> Iterator[Receiver]:
    """Run a server that requires a certificate of CLIENTS."""
    with Receiver(tls=AUTHORITY.server(tmp_path, client_authority=CLIENTS)) as it:
        yield it


def files(issued: Issued | None, ca: str = AUTHORITY.pem) -> TlsFiles:
    if issued is None:
        return TlsFiles(None, None, ca.encode())
    return TlsFiles(issued.pem.encode(), issued.key.encode(), ca.encode())


def refuse_and_drain(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Refuse the handshake of one client, and read what it sent, so that its alert is not lost by a reset."""
    connection, _ = listener.accept()
    with connection.dup() as rest, connection:
        with suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)
        rest.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while rest.recv(65_536):
                pass


class TestClientCertificates:
    def test_client_certificate_is_presented(self, sender: HttpSender, demanding: Receiver) -> None:
        ours = files(CLIENTS.issue())
        requests = [make_request(demanding.url(), tls=ours) for _ in range(2)]
        assert [outcome.status for outcome in send(sender, *requests)] == [200, 200]

    def test_missing_or_foreign_client_certificate_fails(self, sender: HttpSender, demanding: Receiver) -> None:
        for tls in (files(None), files(Authority().issue())):
            (outcome,) = send(sender, make_request(demanding.url(), tls=tls))
            assert outcome.status is None
            assert outcome.failure in {Failure.TLS_CLIENT, Failure.RESET}
        assert not demanding.arrivals

    @pytest.mark.parametrize("issued", [None, Authority().issue()], ids=["missing", "foreign"])
    def test_client_certificate_that_is_refused_after_the_handshake_is_named(
        self, sender: HttpSender, tmp_path: Path, issued: Issued | None
    ) -> None:
        context = AUTHORITY.server(tmp_path, client_authority=CLIENTS)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
            threads.submit(refuse_and_drain, listener, context)
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            (outcome,) = send(sender, make_request(url, tls=files(issued)))
        assert (outcome.status, outcome.failure) == (None, Failure.TLS_CLIENT)

    def test_connection_with_a_client_certificate_is_not_shared(self, sender: HttpSender, demanding: Receiver) -> None:
        for _ in range(3):
            (let_in,) = send(sender, make_request(demanding.url(), tls=files(CLIENTS.issue())))
            (outcome,) = send(sender, make_request(demanding.url(), tls=files(None)))
            assert (let_in.status, outcome.status) == (200, None)

    def test_ca_of_an_endpoint_is_trusted_for_that_endpoint_only(self, sender: HttpSender, tmp_path: Path) -> None:
        with Receiver(tls=AUTHORITY.server(tmp_path)) as receiver:
            (outcome,) = send(sender, make_request(receiver.url(), tls=files(None)))
            (other,) = send(sender, make_request(receiver.url()))
            (wrong,) = send(sender, make_request(receiver.url(), tls=files(None, ca=CLIENTS.pem)))
        assert outcome.status == 200
        assert [other.failure, wrong.failure] == [Failure.TLS_ISSUER, Failure.TLS_ISSUER]


def test_close_does_not_wait_for_hanging_requests(receiver: Receiver) -> None:
    receiver.script("/", scripts.hang)
    with closing(HttpSender(allow_http=True)) as sender:
        sender.submit([(make_in_flight(), make_request(receiver.url(), timeout_ms=600_000))])
        wait_until(lambda: advanced(sender) and bool(receiver.arrivals), "the request")


def advanced(sender: HttpSender) -> bool:
    sender.advance()
    return True


def test_descriptor_of_a_closed_connection_is_watched_again_when_another_gets_it(
    sender: HttpSender, receiver: Receiver
) -> None:
    receiver.script("/closes", scripts.status(200, connection="close"), 200, 200)
    for path in ["/closes", "/", "/closes", "/closes", "/"]:
        (outcome,) = send(sender, make_request(receiver.url(path), timeout_ms=5_000))
        assert outcome.status == 200
