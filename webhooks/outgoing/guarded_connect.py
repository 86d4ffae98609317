"""Connect to checked addresses within a deadline, for `guarded_call`.

The parts: the errors, the deadline, the socket, and the adapter that makes `requests` use this socket.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Timer
from time import monotonic
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from webhooks.wire.addresses.guard import forbidden, is_allowed
from webhooks.wire.addresses.networks import AllowedNetworks
from webhooks.wire.addresses.parsed_url import ParsedUrl

CONNECT_SECONDS = 5.0  # for one address, so that a silent first one leaves time for the second


class CallFailed(Exception):
    """The call failed; the server may have processed it nevertheless."""


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
    every read then ends at once, in any layer. It costs a thread, so the hot path uses curl's timeout instead.
    """

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._timer: Timer | None = None
        self._connection: socket.socket | None = None
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

    def cut_off(self, connection: socket.socket) -> None:
        """Shut this connection down at the deadline."""
        self._connection = connection.dup()
        self._timer = Timer(self.left(), self._shut_down, [self._connection])
        self._timer.daemon = True
        self._timer.start()

    def _shut_down(self, connection: socket.socket) -> None:
        self._fired = True
        with suppress(OSError):  # already closed by the server
            connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._connection is not None:
            self._connection.close()


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
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(min(CONNECT_SECONDS, deadline.left()))
            connection.connect((ip, target.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(deadline.left())
            deadline.cut_off(connection)
            return connection
        except OSError:
            connection.close()
        except DeadlineExceeded:
            connection.close()
            raise
    deadline.left()
    raise ConnectFailed


class _Connection(HTTPConnection):
    """An HTTP connection over a given socket; the host name stays in the Host header."""

    def __init__(self, *args: Any, connect_checked: Callable[[], socket.socket], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open_socket = connect_checked

    def _new_conn(self) -> socket.socket:
        return self._open_socket()


class _TlsConnection(_Connection, HTTPSConnection):
    """An HTTPS connection over a given socket; the certificate must be valid for the host name."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class FixedSocketAdapter(HTTPAdapter):
    """An adapter of requests for one host over given sockets, without retries."""

    def __init__(self, target: ParsedUrl, connection: Callable[[], socket.socket]) -> None:
        super().__init__(max_retries=0)
        pool = _TlsPool if target.scheme == "https" else _Pool
        host = f"[{target.host}]" if ":" in target.host else target.host
        self._pool = pool(host, target.port, maxsize=1, connect_checked=connection)

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> HTTPConnectionPool:
        """Return the pool with the given socket."""
        return self._pool

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()
        super().close()
