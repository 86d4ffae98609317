"""Connect to a broker over AMQP 0-9-1, at an address that was checked, with a time limit for all that is done there.

The client library waits for each part of a frame anew, so a broker that sends a byte now and then would keep a worker
for ever; a timer shuts the socket instead. A frame that is larger than what was agreed ends the connection before it is
read.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import amqp
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, NotFound, ResourceLocked
from amqp.method_framing import frame_handler

from webhooks.kit.kinds.setting import Setting
from webhooks.outgoing.brokers.hosts import addresses_of, problems_of_host
from webhooks.outgoing.brokers.unavailable import BrokerConnection, BrokerUnavailable, Cause, Failing

PORT, TLS_PORT = 5672, 5671
CONNECT_SECONDS = 4.0
CALL_SECONDS = 4.0
HEARTBEAT = 60  # seconds
MAX_FRAME = 1024 * 1024  # bytes; the library agrees on an eighth of that
USER_TIMEOUT = 10_000  # milliseconds without an acknowledgement of what was sent; the library has one second
HOST, USER, PASSWORD = "settings.host", "settings.username", "credentials.password"
VIRTUAL_HOST = "settings.virtual_host"

SETTINGS = (
    Setting(
        "host",
        "Host",
        "Host, or host:port, of the broker; the port is 5671 with TLS and 5672 without.",
        is_required=True,
        names_place=True,
        max_length=300,
        example="rabbitmq.example.com",
    ),
    Setting("tls", "TLS", "Whether the connection is encrypted.", type="boolean", default=True),
    Setting(
        "ca_certificate",
        "CA certificate",
        "Certificate of the authority that signed the broker's, in PEM; empty: the authorities of the system.",
        max_length=65_536,
        is_credential=True,
    ),
    Setting("virtual_host", "Virtual host", "Virtual host of the broker.", default="/", names_place=True),
    Setting("username", "User name", "User of the broker.", max_length=255, example="waypost"),
    Setting("password", "Password", "Password of the user.", is_credential=True),
)


def default_port(settings: Mapping[str, Any]) -> int:
    """Return the port of a host that names none."""
    return TLS_PORT if settings.get("tls", True) else PORT


def connection_problems(connection: BrokerConnection) -> dict[str, str]:
    """Return a message for each of SETTINGS that cannot work, without connecting."""
    settings = connection.settings
    problems = dict(problems_of_host(settings["host"], default_port(settings), HOST, tls=settings.get("tls", True)))
    if not settings.get("username"):
        problems[USER] = "Is required."
    if not connection.credentials.get("password"):
        problems[PASSWORD] = "Is required."
    return problems


def _socket_settings() -> dict[int, int]:
    """Return the TCP options of a connection, as far as this system has them.

    The library sets each option to the value that it has just read. For TCP_MAXSEG that is refused where the broker has
    sent something already and the segments are large, as on loopback; 0 is the system's default.
    """
    settings = {"TCP_USER_TIMEOUT": USER_TIMEOUT, "TCP_MAXSEG": 0}
    return {getattr(socket, name): value for name, value in settings.items() if hasattr(socket, name)}


def _limited(read: Callable[..., bytes]) -> Callable[..., bytes]:
    """Return a function that reads from the socket as ``read`` does, and refuses to read more than a frame has."""

    def limited(size: int, *arguments: Any, **options: Any) -> bytes:
        if size > MAX_FRAME:
            raise ValueError(f"it sends a frame of {size:,} bytes, which is not AMQP")
        return read(size, *arguments, **options)

    return limited


class Broker(Failing):
    """An open connection with one channel."""

    not_found: tuple[str, str] = ("The queue cannot be read", "settings.queue")
    """Message for a queue or an exchange that does not exist, and the setting that names it."""

    def __init__(self, connection: BrokerConnection, name: str, timeout: float = CONNECT_SECONDS) -> None:
        """Connect to the first address that accepts, for ``timeout`` seconds each; ``name``: shown by the broker.

        Raises what ``failed`` makes of BrokerUnavailable, as all methods do.
        """
        settings = connection.settings
        self._transport: Any = None
        self.is_blocked = False  # by the broker, which has no memory or disk for messages
        try:
            host, port, addresses = addresses_of(connection, settings["host"], default_port(settings), HOST)
        except BrokerUnavailable as error:
            raise self.failed(error) from error
        problem: Exception = self.failed(BrokerUnavailable("The host has no address.", HOST, Cause.NOT_RESOLVED))
        for address in addresses[:2]:
            place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            self._amqp = self._prepared(connection, name, host, place)
            try:
                with self.limited(timeout):
                    self._amqp.connect()
                    self._amqp.transport.sock.settimeout(CALL_SECONDS)
                    self.channel = self._amqp.channel()
                return
            except Exception as error:
                self.close()
                problem = error
        raise problem

    def _prepared(self, connection: BrokerConnection, name: str, host: str, address: str) -> Any:
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
            client_properties={"connection_name": f"waypost {name}"},
            ssl={"context": context, "server_hostname": host} if tls else False,
            connect_timeout=CONNECT_SECONDS,
            heartbeat=HEARTBEAT,
            frame_handler=self.frame_handler,
            on_blocked=self._on_blocked,
            on_unblocked=self._on_unblocked,
            socket_settings=_socket_settings(),
        )
        make = prepared.Transport

        def make_and_keep(*arguments: Any, **options: Any) -> Any:
            self._transport = make(*arguments, **options)  # the library drops it, open, if the broker refuses a login
            self._transport._read = _limited(self._transport._read)
            return self._transport

        prepared.Transport = make_and_keep
        return prepared

    def _on_blocked(self, _reason: str) -> None:
        self.is_blocked = True

    def _on_unblocked(self) -> None:
        self.is_blocked = False

    def frame_handler(self, connection: Any, callback: Callable[..., Any]) -> Callable[[Any], Any]:
        """Return the library's handler of frames, or another one that calls it."""
        handler: Callable[[Any], Any] = frame_handler(connection, callback)
        return handler

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Raise what ``failed`` makes of what fails inside, also if it takes longer."""
        late = time.monotonic() + 0.9 * seconds  # the library, too, has time limits, and errors of its own then
        timer = threading.Timer(seconds, self._shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (AMQPError, OSError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
            if time.monotonic() > late or isinstance(error, TimeoutError):
                problem = BrokerUnavailable("The broker did not respond in time.", HOST, Cause.TIMEOUT)
                raise self.failed(problem) from error
            raise self.failed(self._problem(error)) from error
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

    def _problem(self, error: Exception) -> BrokerUnavailable:
        """Return what an error of the library means."""
        text = str(getattr(error, "reply_text", "") or getattr(error, "strerror", "") or error)[:300].rstrip(".")
        if isinstance(error, AccessRefused):
            is_login = "login" in text.lower() or "authentication" in text.lower()
            setting = PASSWORD if is_login else USER
            return BrokerUnavailable(f"Access refused: {text}.", setting, Cause.ACCESS_DENIED)
        if isinstance(error, NotAllowed):
            message = f"The broker does not allow it: {text}."
            return BrokerUnavailable(message, VIRTUAL_HOST, Cause.ACCESS_DENIED)
        if isinstance(error, (NotFound, ResourceLocked)):
            sentence, setting = self.not_found
            return BrokerUnavailable(f"{sentence}: {text}.", setting, Cause.NOT_FOUND)
        if isinstance(error, ssl.SSLError):
            message = f"No trusted TLS connection can be made: {error.reason or text}."
            return BrokerUnavailable(message, HOST, Cause.TLS)
        if isinstance(error, AMQPError):
            return BrokerUnavailable(f"The broker reports: {text}.")
        cause = Cause.REFUSED if isinstance(error, ConnectionRefusedError) else Cause.UNREACHED
        return BrokerUnavailable(
            f"The broker is not reached, or the connection ended: {text or 'closed'}.", HOST, cause
        )
