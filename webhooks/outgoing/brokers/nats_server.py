"""Connect to a NATS server at an address that was checked; the library's coroutines run in the event loop of calls.

Other servers that a server names are never connected to: the connection is not made again, its owner is. A server that
does not offer TLS, or a man in the middle who removes the offer, gets no credentials if the settings want TLS.

The library keeps what it receives until a line or a message is complete, however long; ``_LimitedParser`` does not.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from nats.aio.client import Client, RawCredentials
from nats.errors import Error, ProtocolError
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from webhooks.kit.kinds.setting import Setting
from webhooks.outgoing.brokers.hosts import addresses_of, problems_of_host
from webhooks.outgoing.brokers.unavailable import BrokerConnection, BrokerUnavailable, Cause, Failing
from webhooks.outgoing.event_loop import event_loop

PORT = 4222
CONNECT_SECONDS = 4
CALL_SECONDS = 4.0
CLOSE_SECONDS = 0.5
GRACE_SECONDS = 2.0  # after which a call that does not end itself is given up
HOST, STREAM = "settings.host", "settings.stream"
NO_TLS = "The server does not offer TLS; nothing was sent to it."

MAX_LINE = 1024 * 1024  # bytes of a line of the protocol, the longest of which names a cluster's servers
MAX_MESSAGE = 64 * 1024**2 + MAX_LINE  # bytes; a server allows 64 MiB at most

T = TypeVar("T")

PLACE = (
    Setting(
        "host",
        "Host",
        "Host, or host:port, of a server; the port is 4222 unless it is named.",
        is_required=True,
        names_place=True,
        max_length=300,
        example="nats.example.com",
    ),
    Setting("tls", "TLS", "Whether the connection is encrypted.", type="boolean", default=True),
    Setting(
        "ca_certificate",
        "CA certificate",
        "Certificate of the authority that signed the server's, in PEM; empty: the authorities of the system.",
        max_length=65_536,
        is_credential=True,
    ),
)
USER = (
    Setting("username", "User name", "User, if the server wants one.", max_length=255),
    Setting("password", "Password", "Password of the user.", is_credential=True),
    Setting("token", "Token", "Token, if the server wants one.", is_credential=True),
    Setting("nkey_seed", "NKey seed", "Seed of a user NKey.", is_credential=True, example="SUAM..."),
    Setting(
        "credentials_file",
        "Credentials file",
        "Content of a .creds file: a user's JWT and the seed of its NKey.",
        is_credential=True,
        max_length=16_384,
    ),
)


def connection_problems(connection: BrokerConnection) -> dict[str, str]:
    """Return a message for each of PLACE and USER that cannot work, without connecting."""
    settings, given = connection.settings, connection.credentials
    problems = dict(problems_of_host(settings["host"], PORT, HOST, tls=settings.get("tls", True)))
    if bool(settings.get("username")) != bool(given.get("password")):
        problems["credentials.password"] = "User name and password are given together."
    ways = [name for name in ("password", "token", "nkey_seed", "credentials_file") if given.get(name)]
    if len(ways) > 1:
        problems[f"credentials.{ways[1]}"] = f"Cannot be given together with {ways[0]}."
    return problems


class _LimitedParser(Parser):
    """The library's parser, which ends the connection at a line or a message that is too long."""

    async def parse(self, data: bytes = b"") -> None:
        """Parse what was received. Raises ProtocolError."""
        await super().parse(data)
        is_line = self.state == AWAITING_CONTROL_LINE
        if len(self.buf) > (MAX_LINE if is_line else MAX_MESSAGE) or (not is_line and self.needed > MAX_MESSAGE):
            self.buf.clear()
            raise ProtocolError("nats: it sends more than the protocol allows")


class Server(Failing):
    """An open connection."""

    def __init__(self, connection: BrokerConnection, name: str, timeout: float | None = None) -> None:
        """Connect to the first address that accepts, for ``timeout`` seconds each; ``name``: shown by the server.

        ``timeout``: CONNECT_SECONDS if None.

        Raises what ``failed`` makes of BrokerUnavailable, as all methods do.
        """
        tls = connection.settings.get("tls", True)
        try:
            host, port, addresses = addresses_of(connection, connection.settings["host"], PORT, HOST)
        except BrokerUnavailable as error:
            raise self.failed(error) from error
        problem: Exception = self.failed(BrokerUnavailable("The host has no address.", HOST, Cause.NOT_RESOLVED))
        for address in addresses[:2]:
            place = f"[{address}]" if ":" in address else address
            self.client = Client()
            self.client._ps = _LimitedParser(self.client)
            options = {**_options(connection, self.client, host), "name": f"waypost {name}", "error_cb": self.on_error}
            try:
                self.run(
                    self.client.connect(f"nats://{place}:{port}", **options),
                    CONNECT_SECONDS if timeout is None else timeout,
                )
                if tls and not _offers_tls(self.client):
                    raise self.failed(BrokerUnavailable(NO_TLS, "settings.tls", Cause.NO_TLS))
                return
            except Exception as error:
                self.close()
                problem = error
        raise problem

    async def on_error(self, _error: Exception) -> None:
        """Do nothing with an error of the connection, which the next call raises."""

    def jetstream(self, timeout: float | None = None) -> JetStreamContext:
        """Return the API of JetStream, whose calls end within ``timeout`` seconds; None: CALL_SECONDS."""
        return self.client.jetstream(timeout=CALL_SECONDS if timeout is None else timeout)

    def run(self, call: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Run a coroutine in the event loop and wait for its result, CALL_SECONDS at most if no time is given."""
        seconds = CALL_SECONDS if seconds is None else seconds

        async def limited() -> T:
            async with asyncio.timeout(seconds):
                return await call

        future = asyncio.run_coroutine_threadsafe(limited(), event_loop())
        try:
            return future.result(seconds + GRACE_SECONDS)
        except (Error, OSError, ValueError, TimeoutError) as error:
            future.cancel()
            raise self.failed(problem_of(error)) from error

    @property
    def max_payload(self) -> int:
        """Return the size of the largest message that the server allows, in bytes; never more than MAX_MESSAGE."""
        return max(1, min(self.client.max_payload, MAX_MESSAGE))

    def flush(self) -> None:
        """Wait until the server has received all that was sent."""
        self.run(self.client.flush(timeout=int(CALL_SECONDS)))

    def close(self) -> None:
        """Close the connection, also one that was not made completely, which the library leaves open."""
        with suppress(Exception):
            self.run(_closed(self.client), CLOSE_SECONDS)


async def _closed(client: Client) -> None:
    transport: Any = client._transport
    try:
        if client.is_connected:
            await client.close()
    finally:
        if transport is not None:
            transport.close()
            with suppress(Exception):
                await transport.wait_closed()


def _offers_tls(client: Client) -> bool:
    return bool(client._server_info.get("tls_required"))  # which has no public name


def _options(connection: BrokerConnection, client: Client, host: str) -> dict[str, Any]:
    settings, given = connection.settings, connection.credentials
    tls = settings.get("tls", True)

    def secret(value: str) -> Callable[[], str]:
        """Return a function that returns a credential, when it is sent; it must not be sent without TLS."""

        def checked() -> str:
            if tls and not _offers_tls(client):
                raise ValueError(NO_TLS)
            return value

        return checked

    options: dict[str, Any] = {
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,  # also of the first connection, without which a refused one is tried until the end
        "reconnect_time_wait": 0,
        "connect_timeout": CONNECT_SECONDS,
    }
    if tls:
        options |= {"tls": ssl.create_default_context(cadata=given.get("ca_certificate")), "tls_hostname": host}
    if settings.get("username"):
        options |= {"user": secret(settings["username"]), "password": secret(given.get("password") or "")}
    if given.get("token"):
        options["token"] = secret(given["token"])
    if given.get("nkey_seed"):  # only a signature of the server's nonce is sent
        options["nkeys_seed_str"] = given["nkey_seed"].strip()
    if given.get("credentials_file"):
        options["user_credentials"] = RawCredentials(given["credentials_file"])
    return options


def problem_of(error: BaseException) -> BrokerUnavailable:
    """Return what an error of the library means."""
    text = str(getattr(error, "strerror", "") or error)[:300].rstrip(".")
    if NO_TLS in str(error):
        return BrokerUnavailable(NO_TLS, "settings.tls", Cause.NO_TLS)
    if isinstance(error, NotFoundError):
        message = f"There is no such stream or consumer: {error.description}."
        return BrokerUnavailable(message, STREAM, Cause.NOT_FOUND)
    if isinstance(error, APIError):
        return BrokerUnavailable(f"JetStream reports: {error.description}.", STREAM)
    if "authorization" in text.lower() or "authentication" in text.lower():
        message = "The server does not accept the credentials."
        return BrokerUnavailable(message, "credentials.password", Cause.ACCESS_DENIED)
    if isinstance(error, ssl.SSLError):
        return BrokerUnavailable("No trusted TLS connection can be made.", HOST, Cause.TLS)
    if isinstance(error, TimeoutError):
        return BrokerUnavailable("The server did not respond in time.", HOST, Cause.TIMEOUT)
    cause = Cause.REFUSED if isinstance(error, ConnectionRefusedError) else Cause.UNREACHED
    return BrokerUnavailable(f"The server is not reached, or the connection ended: {text or 'closed'}.", HOST, cause)
