"""Limit what a client may do with a connection: uvicorn's protocol for HTTP/1.1 with bounds on heads, time and number.

    too many connections of one address     503, and the connection is closed
    request line or headers too long        414, 431
    head not complete in time               408
    framing that proxies read differently   400: no or two Host headers, other transfer codings than chunked, chunks
                                            that are mostly framing (RFC 9112, sections 3.2, 6.1, 7.1)
    response not read in time               the connection is closed

Each refusal is a problem (``config.web.pages.refusals``), and has a line in the access log.

Headers with an underscore in their name are dropped, all of them: CGI and WSGI cannot tell ``X_Client_Cert`` from
``X-Client-Cert``, so a client could send in one spelling what a proxy removes in the other. Trailers are dropped too.
Bodies have limits of their own (``config.web.bodies``).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.web.connection_limits import HEAD_TIMEOUT, MAX_HEAD, MAX_HEADERS, MAX_URL, limits
from config.web.joined_head import JoinedHead
from config.web.pages.refusals import (
    CROWDED,
    INVALID,
    LARGE_HEADERS,
    LATE_HEAD,
    LONG_TARGET,
    MOSTLY_FRAMING,
    NO_CODINGS,
    NO_TUNNEL,
    ONE_HOST,
    ONLY_CHUNKED,
    Refusal,
    malformed,
    response_to_refused,
)
from config.web.request_ids import new_request_id
from webhooks.kit.clients import is_trusted_proxy, network_of

UNREAD_TIMEOUT = 60.0  # seconds in which a client reads nothing of a response
DISCARD_TIMEOUT = 5.0  # seconds for the rest of a body that was responded to before its end
FRAMING_ALLOWANCE = 64 * 1024  # bytes of a chunked body that may be framing, besides 8 for each byte of content
FRAMING_RATIO = 8
GONE = "waypost.gone"  # in the scope of a request: the event that its client sends nothing more, or the server stops


class _Refused(Exception):
    """The head of a request is refused."""


class LimitedProtocol(HttpToolsProtocol):
    """Serve one connection, within limits of size, number and time."""

    _release_share: Callable[[], None] | None = None
    _waiting_since: float | None = None  # loop time since when the rest of a head is awaited
    _discarding_since: float | None = None
    _unread_since: float | None = None
    _gone: asyncio.Event | None = None  # set when a response need not be waited for any more
    _part = "idle"  # of a request, that arrives: head, body, or idle between two requests
    _head_bytes = _header_count = _header_bytes = _raw_bytes = _body_bytes = 0
    _refusal = INVALID
    _is_refused = _is_half_closed = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection if its address has not too many already."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        share: Any = object() if is_trusted_proxy(address) else network_of(address)  # all clients of a proxy share one
        if not limits.shares.take(share):
            self._refuse(CROWDED)
            return
        self._release_share = partial(limits.shares.release, share)
        self._waiting_since = self.loop.time()
        self._gone = asyncio.Event()
        limits.open.add(self)
        limits.check_times(self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        limits.open.discard(self)
        self._end_waits()
        if self._release_share is not None:
            self._release_share()
            self._release_share = None

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio.Protocol allows it
        """Return whether to go on: a client that only stops sending still gets the responses to its requests."""
        self._is_half_closed = True
        self._end_waits()
        cycle = self.cycle
        if cycle is None or self._is_refused or (cycle.response_complete and not self.pipeline):
            return False
        if not cycle.more_body:
            return True
        cycle.disconnected = True
        cycle.message_event.set()
        return False

    def shutdown(self) -> None:
        """Have the response in progress be the last, without a wait."""
        super().shutdown()
        self._end_waits()

    def _end_waits(self) -> None:
        """End the wait of a response that begins later: the client sends nothing more, or the server stops."""
        if self._gone is not None:
            self._gone.set()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and refuse what is against the limits."""
        self._unset_keepalive_if_required()
        if not self._is_refused and not self.transport.is_closing():
            was_in_head = self._part == "head"
            self._raw_bytes += len(data)
            self._refusal = INVALID
            try:
                self._parse(data)
            except (httptools.HttpParserCallbackError, _Refused):
                self._refuse(self._refusal)
                return
            except httptools.HttpParserError as error:  # its text is one of the parser's own, nothing that was sent
                self._refuse(malformed(f"{INVALID.detail} {str(error).rstrip('.')}."))
                return
            if was_in_head and self._part == "head":  # still incomplete, so the parser holds it: bound its size
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD + MAX_URL:
                    self._refuse(LARGE_HEADERS)
            elif self._raw_bytes > FRAMING_ALLOWANCE + FRAMING_RATIO * self._body_bytes:
                self._refuse(MOSTLY_FRAMING)

    def on_message_begin(self) -> None:
        """Start to count a request."""
        super().on_message_begin()
        self._part = "head"
        self._waiting_since = self.loop.time()
        self._head_bytes = self._header_count = self._header_bytes = self._raw_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Collect the request target within its limit."""
        super().on_url(url)
        if len(self.url) > MAX_URL:
            self._refusal = LONG_TARGET
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header within the limits; drop trailers and names with underscores."""
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEAD:
            self._refusal = LARGE_HEADERS
            raise _Refused
        if self._part == "head" and b"_" not in name:
            super().on_header(name, value.rstrip(b" \t"))  # the parser removes only the space before a value

    def on_headers_complete(self) -> None:
        """Check the head, and start the request."""
        self._part = "body"
        self._waiting_since = None
        self._check_head()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def _parse(self, data: bytes) -> None:
        """Parse what has arrived. The parser stops behind each head that offers an upgrade."""
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                self._ignore_upgrade()
            else:
                return

    def _ignore_upgrade(self) -> None:
        """Serve a request that offers an upgrade as if it did not."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refusal = NO_TUNNEL
            raise _Refused
        unwanted = (b"connection", b"upgrade", b"http2-settings")
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] not in unwanted]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"%s %s HTTP/1.1\r\n%s\r\n" % (method, self.url, b"".join(lines)))

    def _check_head(self) -> None:
        hosts, codings = 0, []
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                codings.append(value.lower())
        version = self.parser.get_http_version()
        if hosts > 1 or (hosts == 0 and version != "1.0"):
            self._refusal = ONE_HOST
            raise _Refused
        if codings and (codings != [b"chunked"] or version == "1.0"):
            self._refusal = ONLY_CHUNKED if version != "1.0" else NO_CODINGS
            raise _Refused

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start the request, and write the head of its response together with the first piece of its body."""
        if cycle.scope["method"] != "HEAD":  # its response has no body, after which nothing is written
            cycle.transport = JoinedHead(self.transport)
        cycle.scope[GONE] = self._gone
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._part = "idle"
        self._discarding_since = None
        if self.cycle.response_complete:  # its keep-alive timer was stopped by the rest of the body
            self._waiting_since = self.loop.time()

    def on_response_complete(self) -> None:
        """Discard the rest of a body that was responded to before its end, within a time limit."""
        super().on_response_complete()
        if not self.cycle.response_complete:
            return  # the next request of a pipeline has begun
        if self._is_half_closed:
            self.transport.close()
        elif self._part == "body":
            self._discarding_since = self.loop.time()

    def pause_writing(self) -> None:
        """Note since when the client does not read."""
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        self._unread_since = None

    def check_time(self, now: float) -> None:
        """End the connection if a time limit has passed."""
        if self._waiting_since is not None and now - self._waiting_since > HEAD_TIMEOUT:
            self._refuse(LATE_HEAD) if self._part == "head" else self.transport.close()
        elif self._discarding_since is not None and now - self._discarding_since > DISCARD_TIMEOUT:
            self.transport.close()
        elif self._unread_since is not None and now - self._unread_since > UNREAD_TIMEOUT:
            self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        """Respond with a problem and end the connection; the response to an earlier request is sent first.

        What the client still sends is read for a while, and discarded: closing at once would reset the connection, and
        the client might not see the response.
        """
        cycle = self.cycle
        self._is_refused = True
        self._waiting_since, self._discarding_since = None, self.loop.time()
        self.pipeline.clear()
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # its response is on the way
                cycle.keep_alive = False
                return
            cycle.disconnected = True  # its own body is malformed
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        request_id = new_request_id()
        self.transport.write(response_to_refused(refusal, request_id, is_head=self._method() == "HEAD"))
        self._record(refusal, request_id)
        if refusal is CROWDED or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()

    def _method(self) -> str:
        """Return the method of the request that arrives; empty if it was not read."""
        return "" if self._part == "idle" or not self.url else str(self.parser.get_method().decode())

    def _record(self, refusal: Refusal, request_id: str) -> None:
        """Write a line about a refused request to the access log of the application, if it has one."""
        record = getattr(self.app, "record_refused", None)
        if record is not None:
            url = b"" if self._part == "idle" else self.url
            fields = {"status": refusal.status, "code": refusal.code, "client": self.client[0] if self.client else ""}
            record(self._method(), url, **fields, request_id=request_id)
