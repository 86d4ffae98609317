"""Connect to a broker over AMQP 0-9-1, at an address that was checked, with a time limit for all that is done there.

The client library waits for each part of a frame anew, so a broker that sends a byte now and then would keep a worker
for ever; a timer shuts the socket instead. Properties of a message that cannot be parsed would end the connection at
each attempt; they are replaced by none, and the message is marked.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import amqp
from amqp.basic_message import Message
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, NotFound, ResourceLocked
from amqp.method_framing import frame_handler

from webhooks.sources.kinds.hosts import addresses_of
from webhooks.sources.kinds.kind import Connection, SourceUnavailable

CONNECT_SECONDS = 4.0
CALL_SECONDS = 4.0
HEARTBEAT = 60  # seconds
USER_TIMEOUT = 10_000  # milliseconds without an acknowledgement of what was sent; the library has one second
HOST, USER, PASSWORD = "settings.host", "settings.username", "credentials.password"
VIRTUAL_HOST, QUEUE = "settings.virtual_host", "settings.queue"

_HEADER = 2  # type of a frame with the properties of a message
_BEFORE_PROPERTIES = 12  # bytes of its payload
_NO_PROPERTIES = b"\0\0"


class Broker:
    """An open connection with one channel."""

    def __init__(self, connection: Connection) -> None:
        """Connect to the first address that accepts. Raises SourceUnavailable."""
        settings = connection.settings
        tls = settings.get("tls", True)
        host, port, addresses = addresses_of(connection, settings["host"], 5671 if tls else 5672, HOST)
        self.unreadable: set[int] = set()  # numbers of messages whose properties could not be parsed
        self._messages = 0
        self._transport: Any = None
        problem: SourceUnavailable | None = None
        for address in addresses[:2]:
            self._amqp = self._prepared(
                connection, host, f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            )
            try:
                with self.limited(CONNECT_SECONDS):
                    self._amqp.connect()
                    self._amqp.transport.sock.settimeout(CALL_SECONDS)
                    self.channel = self._amqp.channel()
                return
            except SourceUnavailable as error:
                self.close()
                problem = error
        raise problem or SourceUnavailable("The host has no address.", HOST)

    def _prepared(self, connection: Connection, host: str, address: str) -> Any:
        settings, tls = connection.settings, connection.settings.get("tls", True)
        context: dict[str, Any] = {"check_hostname": True}
        if authority := connection.credentials.get("ca_certificate"):
            context["cadata"] = authority
        prepared = amqp.Connection(
            address,
            userid=settings.get("username") or "guest",
            password=connection.credentials.get("password") or "",
            login_method="PLAIN",
            virtual_host=settings.get("virtual_host") or "/",
            client_properties={"connection_name": f"waypost {connection.source}"},
            ssl={"context": context, "server_hostname": host} if tls else False,
            connect_timeout=CONNECT_SECONDS,
            heartbeat=HEARTBEAT,
            frame_handler=self._frame_handler,
            socket_settings={socket.TCP_USER_TIMEOUT: USER_TIMEOUT} if hasattr(socket, "TCP_USER_TIMEOUT") else {},
        )
        make = prepared.Transport

        def make_and_keep(*arguments: Any, **options: Any) -> Any:
            self._transport = make(*arguments, **options)  # the library drops it, open, if the broker refuses a login
            return self._transport

        prepared.Transport = make_and_keep
        return prepared

    def _frame_handler(self, connection: Any, callback: Callable[..., Any]) -> Callable[[Any], Any]:
        """Return the library's handler of frames, after one that replaces properties that cannot be parsed."""
        handle = frame_handler(connection, callback)

        def checked(frame: tuple[int, int, bytes]) -> Any:
            kind, channel, payload = frame
            if kind == _HEADER:
                self._messages += 1
                try:
                    Message().inbound_header(payload)
                except Exception:
                    self.unreadable.add(self._messages)
                    payload = bytes(payload[:_BEFORE_PROPERTIES]) + _NO_PROPERTIES
            return handle((kind, channel, payload))

        return checked

    @property
    def messages(self) -> int:
        """Return how many messages have begun to arrive."""
        return self._messages

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Raise SourceUnavailable for what fails inside, also if it takes longer."""
        late = time.monotonic() + 0.9 * seconds  # the library, too, has time limits, and errors of its own then
        timer = threading.Timer(seconds, self._shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (AMQPError, OSError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
            if time.monotonic() > late or isinstance(error, TimeoutError):
                raise SourceUnavailable("The broker did not respond in time.", HOST) from error
            raise failure(error) from error
        finally:
            timer.cancel()

    def drain(self, seconds: float) -> bool:
        """Wait for something from the broker and handle it; return whether there was anything."""
        try:
            self._amqp.drain_events(timeout=max(seconds, 0.001))
        except TimeoutError:
            return False
        return True

    def send_heartbeat(self) -> None:
        """Tell the broker that this process lives."""
        self._amqp.send_heartbeat()

    def close(self) -> None:
        """Close the connection without waiting; the broker gives unacknowledged messages to others."""
        self._shut()
        with suppress(Exception):
            self._transport.sock.close()

    def _shut(self) -> None:
        with suppress(Exception):
            self._transport.sock.shutdown(socket.SHUT_RDWR)


def failure(error: Exception) -> SourceUnavailable:
    """Return what an error of the library means for the owner of the source."""
    text = str(getattr(error, "reply_text", "") or error)[:300]
    if isinstance(error, AccessRefused):
        is_login = "login" in text.lower() or "authentication" in text.lower()
        return SourceUnavailable(f"Access refused: {text}", PASSWORD if is_login else USER)
    if isinstance(error, NotAllowed):
        return SourceUnavailable(f"The broker does not allow it: {text}", VIRTUAL_HOST)
    if isinstance(error, (NotFound, ResourceLocked)):
        return SourceUnavailable(f"The queue cannot be read: {text}", QUEUE)
    if isinstance(error, ssl.SSLError):
        return SourceUnavailable(f"No trusted TLS connection can be made: {error.reason or text}", HOST)
    if isinstance(error, AMQPError):
        return SourceUnavailable(f"The broker reports: {text}", "")
    return SourceUnavailable(f"The broker is not reached, or the connection ended: {text}", HOST)
