"""Run one HTTP exchange on a reusable curl handle, and collect its response.

An exchange has one absolute timeout for everything; sends its request again only as ``repeats`` says; follows no
redirects; takes no proxy, cookie or password file from the environment; asks for identity encoding; reads at most
16 KiB of the response body and then closes the connection; settles by the status line, however the rest of the
response is: slow, malformed, too long or cut short; and connects only to addresses that ``Request.admits``
accepts (SSRF guard): the address itself, after resolution, so that no second look-up can change it. However it ends,
it ends as an Outcome.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pycurl

from delivery.transports.http.curl.failures import CLOSED, FAILURES, UNREACHABLE, is_client_refused, tls_failure
from delivery.transports.http.curl.handle import CurlHandle, OwnedSocket
from delivery.transports.http.http_versions import HttpVersions
from delivery.transports.http.repeats import Repeat, Requests
from delivery.transports.http.request import Request, ResponseTrace
from delivery.transports.http.responses import (
    SWITCHING_PROTOCOLS,
    final_status,
    outcome_of,
    parse_retry_after,
    refused_by,
)
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from webhooks.kit.process.open_files import EXHAUSTED
from webhooks.kit.tracing.spans import Switch

OK, ABORT = int(pycurl.PREREQFUNC_OK), int(pycurl.PREREQFUNC_ABORT)
MAX_HEADERS = 32 * 1024  # bytes of the response's header section, interim responses included


class Watcher(Protocol):
    """Receive the events of an exchange. ``watches_responses``: whether ``watch_responses`` need not be called."""

    watches_responses: bool

    def on_open(self) -> None:
        """Note that a socket is opened; called before it has a descriptor of libcurl's."""

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
        self.attempt: InFlight
        self.request: Request
        self.clock = clock
        self.is_reusable = True
        self.header_lines: list[bytes] = []  # of the final response
        self._handle = CurlHandle(protocols)
        self.curl = curl = self._handle.curl
        curl.exchange = self
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
        curl, handle = self.curl, self._handle
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.TIMEOUT_MS, max(request.timeout_ms - round(waited * 1000), 1))
        if authority or handle.has_addresses:
            handle.set_addresses(authority, addresses)
        if handle.options:
            handle.reset_options()
        if self._versions.some_require_http_1 and self._versions.requires_http_1(request.url):
            handle.set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1, pycurl.CURL_HTTP_VERSION_2TLS)
        if request.tls is not None:
            self.is_reusable = False
            handle.set_certificates(request.tls)
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
        self._handle.set_option(pycurl.FRESH_CONNECT, 1, 0)
        self.curl.setopt(pycurl.TIMEOUT_MS, left_ms)
        return True

    def _trace_headers(self, trace: ResponseTrace) -> None:
        self.is_reusable = False

        def on_header(line: bytes) -> int:
            trace.add_line(line)
            return self._on_header(line)

        self.curl.setopt(pycurl.HEADERFUNCTION, on_header)

    def end(self, code: int) -> tuple[InFlight, Outcome]:
        """Return the attempt with its outcome, given libcurl's result code. Nothing of it stays in memory here."""
        if self.request.trace is not None:
            self.request.trace.set_timing(self.curl, self.waited)
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
        return tls_failure(code, self.curl) if failure is Failure.TLS else failure

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
            return OwnedSocket(address.family, address.socktype, address.protocol)
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
