"""Define a kind of destination with a protocol of its own: how to connect, and how a client sends messages.

The engine (``transport``) does the rest: it keeps one connection for each endpoint on a thread of its own, hands it
what is due, several messages at once where the kind takes them, and ends each attempt by its timeout, however long the
library blocks.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from delivery.transports.message import Message
from delivery.transports.outcome import Failure
from delivery.transports.send_failed import SendFailed
from delivery.transports.shown_message import ShownMessage
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, Kind
from webhooks.outgoing.errors import HostNotResolved, LimitReached
from webhooks.outgoing.guarded_host import check_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

CONNECT_SECONDS = 5.0  # within which a client connects, or less if the attempt has less time

Sent = bytes | SendFailed
"""Outcome of a message: the acknowledgement of the destination (recorded as the response), or why it failed."""


class SocketClient(Protocol):
    """An open connection to one destination. Used by one thread at a time."""

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        """Send messages, wait for the acknowledgement of each, and return what became of them, in order.

        Blocks for ``timeout`` seconds at most, as far as the library allows. A message is delivered only if the
        destination has acknowledged that it is stored. Raises SendFailed if all have failed for the same reason; also
        OSError, TimeoutError and ssl.SSLError. Unless the failure's ``connection_is_usable``, it is closed then.
        """

    def close(self) -> None:
        """Close the connection. Must not block for long."""


class SocketKind(Kind):
    """A kind that is sent to by a client library."""

    engine = "sockets"
    max_entries: ClassVar[int] = 1
    """The most messages that ``send`` is given at once."""
    max_bytes: ClassVar[int] = 1024 * 1024
    """The most bytes of bodies that ``send`` is given at once, except for a single larger one."""

    def check_message(self, connection: Connection, message: Message) -> None:
        """Raise SendFailed (TOO_LARGE, REFUSED) for a message that can never be sent. No I/O."""

    def connect(self, connection: Connection, timeout: float) -> SocketClient:
        """Connect within ``timeout`` seconds, through the address guard. Raises as ``SocketClient.send``."""
        raise NotImplementedError

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        """Return what one message becomes there, to be shown: without credentials."""
        raise NotImplementedError


def guarded_address(connection: Connection, host: str, port: int) -> str:
    """Return the address of a host that may be connected to: connect to it, and do not resolve the name again.

    Raises SendFailed.
    """
    try:
        return check_host(host, port, share=connection.share)[0]
    except ForbiddenAddress as error:
        raise SendFailed(Failure.FORBIDDEN, str(error)) from None
    except HostNotResolved as error:
        raise SendFailed(Failure.DNS, str(error)) from None
    except LimitReached as error:
        raise SendFailed(Failure.DNS, str(error), not_attempted=True) from None


def failure_of(error: BaseException) -> SendFailed:
    """Return what an error of a connection means, for kinds and for the engine; other errors are INTERNAL."""
    if isinstance(error, SendFailed):
        return error
    for type_, failure in _FAILURES:
        if isinstance(error, type_):
            return SendFailed(failure, getattr(error, "strerror", None) or str(error) or type(error).__name__)
    return SendFailed(Failure.INTERNAL, f"{type(error).__name__}")


_FAILURES: tuple[tuple[type[BaseException], Failure], ...] = (
    (TimeoutError, Failure.TIMEOUT),
    (ssl.SSLCertVerificationError, Failure.TLS_ISSUER),
    (ssl.SSLError, Failure.TLS),
    (socket.gaierror, Failure.DNS),
    (ConnectionRefusedError, Failure.CONNECT),
    (ConnectionError, Failure.RESET),
    (EOFError, Failure.RESET),
    (OSError, Failure.UNREACHABLE),
)

SETTINGS_AT_FAULT = {
    Failure.ACCESS_DENIED: "credentials",
    Failure.NOT_FOUND: "settings",
}


def tried(work: Callable[[], str], setting: str) -> str:
    """Return what a test of settings finds; ``setting`` names the address. Raises DestinationUnavailable."""
    try:
        return work()
    except DestinationUnavailable:
        raise
    except Exception as error:
        failed = failure_of(error)
        if failed.failure is Failure.INTERNAL:
            raise
        text = failed.text or str(failed.failure)
        at_fault = failed.setting or SETTINGS_AT_FAULT.get(failed.failure, setting)
        raise DestinationUnavailable(text, at_fault) from error


__all__ = ["SendFailed", "Sent", "ShownMessage", "SocketClient", "SocketKind", "failure_of", "guarded_address", "tried"]
