"""One attempt: a reusable curl handle, and what it has heard of the current answer.

What an attempt may do (design, 4.3): one absolute deadline for everything; no redirects; no proxy, cookie or
password file from the environment; identity encoding; at most 16 KiB of the answer, then the connection is closed;
and every connection is opened only to an address that ``Request.admits`` has let pass: the very address, after
resolution, so that no second lookup can change it. However it ends, it ends as an Outcome.
"""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pycurl

from delivery.transports.outcome import Failure, Outcome, parse_retry_after
from subscriptions.endpoints.certificates import TlsFiles

__all__ = ["MAX_ANSWER", "Exchange", "Heard", "Request", "Result"]

CONNECT_TIMEOUT_MS = 5_000
MAX_ANSWER = 16 * 1024  # bytes of the answer's body that are kept
MAX_HEADERS = 32 * 1024  # bytes of the answer's header section, interim answers included


@dataclass(slots=True)
class Heard:
    """What of an exchange deliveries do not keep, for whoever wants to see it: the answer's headers, and
    milliseconds from the start to the end of each of its steps."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    timing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to make. ``admits`` says whether an IP address may be connected to; ``context`` is the caller's;
    ``tls`` is what this endpoint's connections are made with, if it is anything of its own; ``heard`` is filled."""

    url: str
    headers: list[str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_ms: int
    admits: Callable[[str], bool]
    context: Any = None
    tls: TlsFiles | None = None
    heard: Heard | None = None

    def heard_by(self, heard: Heard) -> "Request":
        """The same request, all of whose answer is wanted."""
        return replace(self, heard=heard)


Result = tuple[Request, Outcome]


class Exchange:
    """One reusable curl handle with what it has heard of the current answer."""

    def __init__(self, protocols: int, clock: Callable[[], float] = time.time) -> None:
        self.request: Request
        self.clock = clock
        self.is_plain = True
        self.curl = curl = pycurl.Curl()
        curl.exchange = self
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.PROTOCOLS, protocols)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.PREREQFUNCTION, self._on_request)
        curl.setopt(pycurl.HEADERFUNCTION, self._on_header)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def begin(self, request: Request) -> None:
        self.request = request
        self.started_at = self.clock()
        self.started = time.monotonic()  # somebody may set the clock meanwhile
        self.status: int | None = None
        self.status_line = b""
        self.header_bytes = 0
        self.retry_after = ""
        self.answer = b""
        self.refused = False
        self.asked = False
        curl = self.curl
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.TIMEOUT_MS, request.timeout_ms)
        if request.tls is not None:
            self._identify(request.tls)
        if request.heard is not None:
            self._listen(request.heard)

    def _identify(self, files: TlsFiles) -> None:
        """libcurl reuses a connection only for requests with the same certificate, key and authorities."""
        self.is_plain = False
        if files.certificate and files.private_key:
            self.curl.setopt(pycurl.SSLCERT_BLOB, files.certificate)
            self.curl.setopt(pycurl.SSLKEY_BLOB, files.private_key)
        if files.ca:
            self.curl.setopt(pycurl.CAINFO_BLOB, files.ca)

    def _listen(self, heard: Heard) -> None:
        self.is_plain = False

        def on_header(line: bytes) -> int:
            name, colon, value = line.decode("latin-1").partition(":")
            if line[:5] == b"HTTP/":
                heard.headers.clear()  # those before were of an interim answer
            elif colon:
                heard.headers.append((name.strip().lower(), value.strip()))
            return self._on_header(line)

        self.curl.setopt(pycurl.HEADERFUNCTION, on_header)

    def end(self, code: int) -> Result:
        if self.request.heard is not None:
            times = {name: round(self.curl.getinfo(what) * 1000) for name, what in STEPS.items()}
            self.request.heard.timing.update({name: it for name, it in times.items() if it})
        outcome = Outcome(
            started_at=self.started_at,
            duration_ms=round((time.monotonic() - self.started) * 1000),
            status=self.status,
            failure=self._failure(code),
            answer=self.answer,
            retry_after=parse_retry_after(self.retry_after, self.clock()) if self.retry_after else None,
        )
        return self.request, outcome

    def _failure(self, code: int) -> Failure | None:
        if self.status is not None:  # the header section was complete: the answer stands, however its body ended
            return None if 200 <= self.status < 300 else Failure.STATUS
        if self.refused:
            return Failure.FORBIDDEN
        return FAILURES.get(code, Failure.PROTOCOL)

    def _open(self, purpose: int, address: Any) -> Any:
        if not self.request.admits(address.addr[0]):
            self.refused = True  # one refused address refuses the name, as when the URL was saved
        if self.refused:
            return pycurl.SOCKET_BAD
        return _Handed(address.family, address.socktype, address.protocol)

    def _on_request(self, *_connection: Any) -> int:
        """Connected, and about to ask: once per attempt."""
        if self.asked:
            return int(pycurl.PREREQFUNC_ABORT)
        self.asked = True
        return int(pycurl.PREREQFUNC_OK)

    def _on_header(self, line: bytes) -> int:
        self.header_bytes += len(line)
        if self.header_bytes > MAX_HEADERS:
            return 0  # ends the transfer
        if line[:5] == b"HTTP/":
            self.status_line = line
        elif line in (b"\r\n", b"\n"):
            self.status = _final_status(self.status_line)
        elif line[:12].lower() == b"retry-after:":
            self.retry_after = line[12:].decode("latin-1")
        return len(line)

    def _on_body(self, chunk: bytes) -> int:
        room = MAX_ANSWER - len(self.answer)
        self.answer += chunk[:room]
        return len(chunk) if len(chunk) <= room else 0  # 0 ends the transfer and closes the connection


class _Handed:
    """A socket for pycurl, which works on a duplicate of its descriptor: the original closes when it lets go."""

    __slots__ = ("_fd",)

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        self._fd = socket.socket(family, kind, protocol).detach()

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)


STEPS = {
    "resolved_ms": pycurl.NAMELOOKUP_TIME,
    "connected_ms": pycurl.CONNECT_TIME,
    "tls_ms": pycurl.APPCONNECT_TIME,
    "first_byte_ms": pycurl.STARTTRANSFER_TIME,
    "total_ms": pycurl.TOTAL_TIME,
}

FAILURES = {
    pycurl.E_OPERATION_TIMEDOUT: Failure.TIMEOUT,
    pycurl.E_COULDNT_RESOLVE_HOST: Failure.DNS,
    pycurl.E_COULDNT_CONNECT: Failure.CONNECT,
    pycurl.E_GOT_NOTHING: Failure.RESET,
    pycurl.E_ABORTED_BY_CALLBACK: Failure.RESET,
    pycurl.E_SEND_ERROR: Failure.RESET,
    pycurl.E_RECV_ERROR: Failure.RESET,
    pycurl.E_PARTIAL_FILE: Failure.RESET,
    pycurl.E_SSL_CONNECT_ERROR: Failure.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Failure.TLS,
    pycurl.E_SSL_CERTPROBLEM: Failure.TLS,
    pycurl.E_SSL_CIPHER: Failure.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Failure.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Failure.TLS,
    98: Failure.TLS,  # CURLE_SSL_CLIENTCERT, which pycurl has no name for: it wants a client certificate
}


def _final_status(line: bytes) -> int | None:
    """The status in ``HTTP/1.1 200 OK``; None for an interim one (1xx), whose header section ends nothing, and for
    what is not three digits (RFC 9112, 4): libcurl shows us the line before it judges it."""
    words = line.split(None, 2)
    digits = words[1] if len(words) > 1 else b""
    return int(digits) if len(digits) == 3 and digits.isdigit() and digits >= b"200" else None
