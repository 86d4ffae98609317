"""Run one HTTP exchange on a reusable curl handle, and collect its response.

An exchange has one absolute timeout for everything; sends its request again only as ``repeats`` says; follows no
redirects; takes no proxy, cookie or password file from the environment; asks for identity encoding; reads at most
16 KiB of the response body and then closes the connection; settles by the status line, however the rest of the
response is: slow, malformed, too long or cut short; and connects only to addresses that ``Request.admits``
accepts (SSRF guard): the address itself, after resolution, so that no second look-up can change it. However it ends,
it ends as an Outcome.
"""

import os
import socket
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import pycurl

from delivery.transports.http.curl_codes import CLOSED, FAILURES, STEPS, UNREACHABLE
from delivery.transports.http.http_versions import HttpVersions
from delivery.transports.http.repeats import Repeat, Requests
from delivery.transports.http.responses import (
    SWITCHING_PROTOCOLS,
    final_status,
    outcome_of,
    parse_retry_after,
    refused_by,
)
from delivery.transports.http.tls_failures import certificate_failure, handshake_failure, is_client_refused
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.http.certificates import TlsFiles
from webhooks.kit.process.open_files import EXHAUSTED
from webhooks.kit.tracing.spans import Switch

OK, ABORT = int(pycurl.PREREQFUNC_OK), int(pycurl.PREREQFUNC_ABORT)
LONGEST_CONNECT_MS = 60_000  # more than any timeout: connecting has no limit of its own
MAX_ADDRESSES = 16  # addresses of one name that are tried
MAX_RESPONSE = 16 * 1024  # bytes of the response body that are kept
MAX_HEADERS = 32 * 1024  # bytes of the response's header section, interim responses included


@dataclass(slots=True)
class ResponseTrace:
    """Collect what deliveries do not record: response headers, and when each step ended, in milliseconds."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    timing: dict[str, int] = field(default_factory=dict)


class Request(NamedTuple):
    """Describe one request.

    ``signed_at``: unix seconds when it was composed and signed; its attempt starts then. ``admits`` says whether an
    IP address may be connected to. ``share``: the tenant in whose share its host name is looked up. ``tls``: the
    endpoint's own client certificate and authorities. ``trace`` is filled while the request runs.
    ``failure_pattern``: the pattern of a 2xx response that says that the delivery failed, as JSON.
    ``max_response``: bytes of the response body that are read.
    """

    url: str
    headers: list[str]
    body: bytes
    signed_at: float
    timeout_ms: int
    admits: Callable[[str], bool]
    share: Hashable = None
    tls: TlsFiles | None = None
    trace: ResponseTrace | None = None
    failure_pattern: str | None = None
    method: str = "POST"
    max_response: int = MAX_RESPONSE

    def traced(self, trace: ResponseTrace) -> "Request":
        """Return the same request with a trace to fill."""
        return self._replace(trace=trace)

    def __repr__(self) -> str:
        """Return what a log may contain: no header and no body."""
        return f"Request(url={self.url!r}, timeout_ms={self.timeout_ms})"


class Watcher(Protocol):
    """Be called about the events of an exchange."""

    def on_open(self) -> None:
        """Note that a socket is opened; called before it has a descriptor of libcurl's."""

    watches_responses: bool

    def watch_responses(self) -> None:
        """Note that a response has its status line, so that the rest of it has a time limit."""

    def on_repeat(self) -> None:
        """Note that a request is sent again."""


class Exchange:
    """Hold one reusable curl handle and the state of its current exchange."""

    def __init__(
        self,
        protocols: int,
        clock: Callable[[], float],
        versions: HttpVersions,
        watcher: "Watcher",
    ) -> None:
        self._watcher = watcher
        self._versions = versions
        self._requests = Requests()
        self._options: dict[int, int] = {}  # of the current exchange only, with what they are reset to
        self.attempt: InFlight
        self.request: Request
        self.clock = clock
        self.is_reusable = True
        self.has_addresses = False
        self.header_lines: list[bytes] = []  # of the final response
        self.curl = curl = pycurl.Curl()
        curl.exchange = self
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.PROTOCOLS, protocols)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, LONGEST_CONNECT_MS)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.PREREQFUNCTION, self._on_request)
        curl.setopt(pycurl.HEADERFUNCTION, self._on_header)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def begin(
        self,
        attempt: InFlight,
        request: Request,
        authority: str = "",
        addresses: Sequence[str] = (),
        waited: float = 0.0,
    ) -> None:
        """Set the handle up for a request. Raises ValueError or pycurl.error for one that libcurl does not accept.

        ``authority``: host and port ("example.com:443") for which libcurl uses these ``addresses``; empty if the host
        is an address. ``waited``: seconds of the timeout that the lookup took.
        """
        self.attempt, self.request = attempt, request
        self.waited = waited
        self.started_at = request.signed_at
        self.started = time.monotonic() - waited  # the duration does not depend on changes of the clock
        self.status: int | None = None
        self.status_at = 0.0
        self.status_line = b""
        self.header_bytes = 0
        self.retry_after = ""
        self.response = b""
        self.header_lines.clear()
        self.is_forbidden = False
        self.is_exhausted = False
        self.is_too_long = False
        self.is_checking = False  # an exception while it is true is an error of ours
        self._requests.begin()
        curl = self.curl
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.TIMEOUT_MS, max(request.timeout_ms - round(waited * 1000), 1))
        if authority or self.has_addresses:
            self._set_addresses(authority, addresses)
        if self._options:
            self._reset_options()
        if self._versions.some_require_http_1 and self._versions.requires_http_1(request.url):
            self._set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1, pycurl.CURL_HTTP_VERSION_2TLS)
        if request.tls is not None:
            self._set_certificates(request.tls)
        if request.trace is not None:
            self._trace_headers(request.trace)
        if request.method != "POST":
            self.is_reusable = False
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)

    def begin_again(self, code: int) -> bool:
        """Set the handle up to send the request again on a new connection, if ``repeats`` says so; return whether."""
        is_closed = code in CLOSED and not self.header_bytes
        if not (self._requests.needs_new_connection or (is_closed and self._requests.may_repeat_closed())):
            return False
        left_ms = self.request.timeout_ms - self._duration_ms()
        if left_ms <= 0:
            return False
        self._requests.grant()
        self._set_option(pycurl.FRESH_CONNECT, 1, 0)
        self.curl.setopt(pycurl.TIMEOUT_MS, left_ms)
        return True

    def _set_option(self, option: int, value: int, usual: int) -> None:
        self._options[option] = usual
        self.curl.setopt(option, value)

    def _reset_options(self) -> None:
        for option, usual in self._options.items():
            self.curl.setopt(option, usual)
        self._options.clear()

    def _set_addresses(self, authority: str, addresses: Sequence[str]) -> None:
        """Fill libcurl's cache of names before the transfer: it never looks one up itself."""
        self.has_addresses = bool(authority)
        if authority:
            entry = f"+{authority}:" + ",".join(f"[{it}]" if ":" in it else it for it in addresses[:MAX_ADDRESSES])
        else:
            entry = "-unused.invalid:1"  # replaces the entry of the handle's last transfer, which is old by now
        self.curl.setopt(pycurl.RESOLVE, [entry])

    def _set_certificates(self, files: TlsFiles) -> None:
        """Use the endpoint's own certificates: libcurl reuses a connection only for requests with the same ones."""
        self.is_reusable = False
        if files.certificate and files.private_key:
            self.curl.setopt(pycurl.SSLCERT_BLOB, files.certificate)
            self.curl.setopt(pycurl.SSLKEY_BLOB, files.private_key)
        if files.ca:
            self.curl.setopt(pycurl.CAINFO_BLOB, files.ca)

    def _trace_headers(self, trace: ResponseTrace) -> None:
        self.is_reusable = False

        def on_header(line: bytes) -> int:
            name, colon, value = line.decode("latin-1").partition(":")
            if line[:5] == b"HTTP/":
                trace.headers.clear()  # headers of an interim response
            elif colon:
                trace.headers.append((name.strip().lower(), value.strip()))
            return self._on_header(line)

        self.curl.setopt(pycurl.HEADERFUNCTION, on_header)

    def end(self, code: int) -> tuple[InFlight, Outcome]:
        """Return the attempt with its outcome, given libcurl's result code. Nothing of it stays in memory here."""
        if self.request.trace is not None:
            times = {name: self.curl.getinfo(what) for name, what in STEPS.items()}
            self.request.trace.timing.update(
                {name: round((it + self.waited) * 1000) for name, it in times.items() if it}
            )
        duration_ms = self._duration_ms()
        if code and self.status is None and self._ran_out(code):
            outcome = Outcome(self.started_at, duration_ms, failure=Failure.INTERNAL, not_attempted=True)
        else:
            outcome = self._outcome(code, duration_ms)
        if Switch.is_on and self.request.trace is not None:
            outcome = outcome._replace(steps=self.request.trace.timing)
        attempt = self.attempt
        del self.attempt, self.request
        self.response = b""
        self.curl.setopt(pycurl.POSTFIELDS, b"")  # libcurl had a reference to the body
        return attempt, outcome

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def _ran_out(self, code: int) -> bool:
        """Return whether this process had no file or memory left to connect with; nothing was sent then."""
        if self.is_exhausted or code == pycurl.E_OUT_OF_MEMORY:
            return not self._requests.count
        return code == pycurl.E_COULDNT_CONNECT and self.curl.getinfo(pycurl.OS_ERRNO) in EXHAUSTED

    def _outcome(self, code: int, duration_ms: int) -> Outcome:
        outcome = outcome_of(
            started_at=self.started_at,
            duration_ms=duration_ms,
            status=self.status,
            failure=self._failure(code),
            response=self.response,
            headers=b"".join(self.header_lines),
            retry_after=parse_retry_after(self.retry_after, self.clock()) if self.retry_after else None,
        )
        if self.request.failure_pattern is not None and outcome.delivered:
            outcome = refused_by(self.request.failure_pattern, outcome)
        if self.status_line[5:6] == b"2":
            self._versions.on_http_2(self.request.url)
        return outcome._replace(repeats=self._repeats()) if self._requests.count > 1 else outcome

    def _repeats(self) -> tuple[Repeat, ...]:
        url = self.request.url
        version = self.status_line[5:].split(None, 1)[0].decode("latin-1") if self.status is not None else ""
        reasons = self._requests.reasons(version, speaks_http_2=self._versions.speaks_http_2(url))
        if Repeat.HTTP_1_1_REQUIRED in reasons:
            self._versions.on_http_1_required(url)
        return reasons

    def _failure(self, code: int) -> Failure:
        if self.is_forbidden:
            return Failure.FORBIDDEN
        if self.is_checking:
            return Failure.INTERNAL
        if code == pycurl.E_WRITE_ERROR:  # a callback ended the transfer, or raised
            return Failure.PROTOCOL if self.is_too_long else Failure.INTERNAL
        if code == pycurl.E_UNSUPPORTED_PROTOCOL and not self._requests.count:  # plain HTTP where HTTPS is required
            return Failure.FORBIDDEN
        if code in CLOSED and is_client_refused(self.curl.errstr()):
            return Failure.TLS_CLIENT
        failure = FAILURES.get(code, Failure.PROTOCOL)
        if failure is Failure.CONNECT and self.curl.getinfo(pycurl.OS_ERRNO) in UNREACHABLE:
            return Failure.UNREACHABLE
        return self._tls_failure(code) if failure is Failure.TLS else failure

    def _tls_failure(self, code: int) -> Failure:
        if code == pycurl.E_PEER_FAILED_VERIFICATION:
            return certificate_failure(self.curl.getinfo(pycurl.SSL_VERIFYRESULT))
        return handshake_failure(self.curl.errstr())

    def close(self) -> None:
        """Free the handle. Also break the reference cycle, or the memory is freed much later."""
        self.curl.close()
        del self.curl.exchange

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        self.is_checking = True
        if not self.request.admits(address.addr[0]):
            self.is_forbidden = True  # one forbidden address forbids the host name, as when the URL was saved
        self.is_checking = False
        if self.is_forbidden:
            return pycurl.SOCKET_BAD
        self._watcher.on_open()
        self._requests.on_open()
        try:
            return _Socket(address.family, address.socktype, address.protocol)
        except OSError as error:
            self.is_exhausted = error.errno in EXHAUSTED
            return pycurl.SOCKET_BAD

    def _on_request(self, address: str, *_connection: Any) -> int:
        """Allow or refuse a request: libcurl may repeat one only as ``repeats`` decides.

        The address is checked here too, since a request on a kept connection opens no socket.
        """
        if not self.request.admits(address):
            self.is_forbidden = True
            return ABORT
        if not self._requests.may_send(self._speaks_http_2):
            return ABORT
        if self._requests.count > 1:
            self._watcher.on_repeat()
        return OK

    def _speaks_http_2(self) -> bool:
        return self._versions.speaks_http_2(self.request.url)

    def _on_header(self, line: bytes) -> int:
        self.header_bytes += len(line)
        if self.header_bytes > MAX_HEADERS:
            self.is_too_long = True
            return 0  # ends the transfer
        if line[:5] == b"HTTP/":
            self.status_line, self.retry_after = line, ""
            self.header_lines.clear()  # those of an interim response
            self.status = final_status(line)  # it decides, however the rest of the response is
            if self.status is not None:
                self.status_at = time.monotonic()
                if not self._watcher.watches_responses:
                    self._watcher.watch_responses()
        elif len(line) > 2:  # more than a line break
            self.header_lines.append(line)
            if line[:12].lower() == b"retry-after:":
                self.retry_after += line[12:].decode("latin-1")  # each line ends with a line break
        elif self.status == SWITCHING_PROTOCOLS:
            return 0  # what follows is not HTTP, and libcurl would wait for another status line
        return len(line)

    def _on_body(self, chunk: bytes) -> int:
        room = self.request.max_response - len(self.response)
        self.response += chunk[:room]
        return len(chunk) if len(chunk) <= room else 0  # 0 ends the transfer and closes the connection


class _Socket:
    """Own a socket's descriptor for pycurl, which works on a duplicate: this one is closed when pycurl drops it."""

    __slots__ = ("_fd",)

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        self._fd = socket.socket(family, kind, protocol).detach()
        os.close(os.dup(self._fd))  # raises OSError if there is no descriptor left for the duplicate

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)
