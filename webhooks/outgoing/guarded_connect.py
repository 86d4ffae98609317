"""Connect to an address that has been checked, and be cut off at the deadline, whatever the other side does.

The lower half of `egress`: the deadline, the socket, and the adapter through which `requests` is given that
socket instead of making its own. Everything that can go wrong on the way out:

    CallFailed            the call could not be made; nothing is known about its effect
    ├── Unresolved         the name has no address
    ├── ConnectFailed      no checked address took the connection
    ├── TlsFailed          no trusted connection: certificate, name or protocol
    ├── InvalidResponse       the connection broke, or what came back is not HTTP
    └── DeadlineExceeded   it was not over in time
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Timer
from time import monotonic
from typing import Any, Self

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from webhooks.wire.addresses.guard import AllowedNetworks, ParsedUrl, forbidden, is_allowed

CONNECT_SECONDS = 5.0  # for one address, so that a silent first one leaves time for the second


class CallFailed(Exception):
    """The call could not be made."""


class HostNotResolved(CallFailed):
    """The name of the host could not be resolved."""


class ConnectFailed(CallFailed):
    """No connection to the host could be made."""


class TlsFailed(CallFailed):
    """No trusted TLS connection to the host could be made."""


class InvalidResponse(CallFailed):
    """The connection ended early, or the response was not HTTP."""


class DeadlineExceeded(CallFailed):
    """The call was not complete in time."""


class Deadline:
    """The time at which a call ends, as a context manager around the call.

    The timeout of a socket is per read, so a server that sends one byte a second never reaches it, and HTTP clients
    read headers and TLS records internally. So a timer shuts the connection down through a duplicate of its handle:
    every read then ends at once, in any layer. It costs a thread, so the hot path does it in another way.
    """

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._timer: Timer | None = None
        self._line: socket.socket | None = None
        self._fired = False

    @property
    def passed(self) -> bool:
        """Tell whether the time is over."""
        return self._fired or monotonic() >= self._end

    def left(self) -> float:
        """Return the seconds left, more than 0. Raises DeadlineExceeded."""
        if self.passed:
            raise DeadlineExceeded
        return max(self._end - monotonic(), 0.001)

    def cut_off(self, line: socket.socket) -> None:
        """Shut this connection down at the deadline."""
        self._line = line.dup()
        self._timer = Timer(self.left(), self._shut_down, [self._line])
        self._timer.daemon = True
        self._timer.start()

    def _shut_down(self, line: socket.socket) -> None:
        self._fired = True
        with suppress(OSError):  # already closed by the server
            line.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._line is not None:
            self._line.close()


def connect_checked(
    target: ParsedUrl, addresses: Sequence[str], networks: AllowedNetworks, deadline: Deadline
) -> socket.socket:
    """Connect to the first of the addresses that accepts.

    Each address is checked again right before the connect, so that no caller can omit the check. Raises
    ForbiddenAddress, ConnectFailed, DeadlineExceeded.
    """
    for ip in addresses:
        if not is_allowed(target, ip, networks):
            raise forbidden(target, "address")
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.settimeout(min(CONNECT_SECONDS, deadline.left()))
            line.connect((ip, target.port))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.settimeout(deadline.left())
            deadline.cut_off(line)
            return line
        except OSError:
            line.close()
        except DeadlineExceeded:
            line.close()
            raise
    deadline.left()
    raise ConnectFailed


class _Dialled(HTTPConnection):
    """An HTTP connection over a given socket; the host name stays in the Host header."""

    def __init__(self, *args: Any, connect_checked: Callable[[], socket.socket], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dial = connect_checked

    def _new_conn(self) -> socket.socket:
        return self._dial()


class _DialledTls(_Dialled, HTTPSConnection):
    """An HTTPS connection over a given socket; the certificate must be valid for the host name."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Dialled


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _DialledTls


class FixedSocketAdapter(HTTPAdapter):
    """An adapter of requests for one host over given sockets, without retries."""

    def __init__(self, target: ParsedUrl, line: Callable[[], socket.socket]) -> None:
        super().__init__(max_retries=0)
        pool = _TlsPool if target.scheme == "https" else _Pool
        host = f"[{target.host}]" if ":" in target.host else target.host
        self._pool = pool(host, target.port, maxsize=1, connect_checked=line)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Any = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        """Return the pool with the given socket."""
        return self._pool

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()
        super().close()
