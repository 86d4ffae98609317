"""Connect to a NATS server at an address that was checked; the library's coroutines run in the event loop of calls.

Other servers that a server names are never connected to: the connection is not made again, the reader is. A server that
does not offer TLS, or a man in the middle who removes the offer, gets no credentials if the source wants TLS.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from nats.aio.client import Client, RawCredentials
from nats.errors import Error
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from webhooks.outgoing.event_loop import event_loop
from webhooks.sources.kinds.hosts import addresses_of
from webhooks.sources.kinds.kind import Connection, SourceUnavailable

CONNECT_SECONDS = 4
CALL_SECONDS = 4.0
CLOSE_SECONDS = 0.5
GRACE_SECONDS = 2.0  # after which a call that does not end itself is given up
HOST, STREAM = "settings.host", "settings.stream"
NO_TLS = "The server does not offer TLS; nothing was sent to it."

T = TypeVar("T")


class Server:
    """An open connection."""

    def __init__(self, connection: Connection) -> None:
        """Connect to the first address that accepts. Raises SourceUnavailable."""
        tls = connection.settings.get("tls", True)
        host, port, addresses = addresses_of(connection, connection.settings["host"], 4222, HOST)
        problem = SourceUnavailable("The host has no address.", HOST)
        for address in addresses[:2]:
            place = f"[{address}]" if ":" in address else address
            self._client = Client()
            try:
                self.run(self._client.connect(f"nats://{place}:{port}", **_options(connection, self._client, host)))
                if tls and not _offers_tls(self._client):
                    raise SourceUnavailable(NO_TLS, "settings.tls")
                return
            except SourceUnavailable as error:
                self.close()
                problem = error
        raise problem

    def jetstream(self, timeout: float = CALL_SECONDS) -> JetStreamContext:
        """Return the API of JetStream, whose calls end within so many seconds."""
        return self._client.jetstream(timeout=timeout)

    def run(self, call: Coroutine[Any, Any, T], seconds: float = CALL_SECONDS) -> T:
        """Run a coroutine in the event loop and wait for its result. Raises SourceUnavailable."""

        async def limited() -> T:
            async with asyncio.timeout(seconds):
                return await call

        future = asyncio.run_coroutine_threadsafe(limited(), event_loop())
        try:
            return future.result(seconds + GRACE_SECONDS)
        except (Error, OSError, ValueError, TimeoutError) as error:
            future.cancel()
            raise failure(error) from error

    def flush(self) -> None:
        """Wait until the server has received all that was sent."""
        self.run(self._client.flush(timeout=int(CALL_SECONDS)))

    def close(self) -> None:
        """Close the connection, also one that was not made completely, which the library leaves open."""
        with suppress(SourceUnavailable):
            self.run(_closed(self._client), CLOSE_SECONDS)


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


def _options(connection: Connection, client: Client, host: str) -> dict[str, Any]:
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
        "name": f"waypost {connection.source}",
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,  # also of the first connection, without which a refused one is tried until the end
        "reconnect_time_wait": 0,
        "connect_timeout": CONNECT_SECONDS,
        "error_cb": _ignore,
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


async def _ignore(_error: Exception) -> None:
    """Do nothing with an error of the connection, which the next call raises."""


def failure(error: BaseException) -> SourceUnavailable:
    """Return what an error of the library means for the owner of the source."""
    text = str(error)[:300]
    if NO_TLS in text:
        return SourceUnavailable(NO_TLS, "settings.tls")
    if isinstance(error, NotFoundError):
        return SourceUnavailable(f"There is no such stream or consumer: {error.description}.", STREAM)
    if isinstance(error, APIError):
        return SourceUnavailable(f"JetStream reports: {error.description}.", STREAM)
    if "authorization" in text.lower() or "authentication" in text.lower():
        return SourceUnavailable("The server does not accept the credentials.", "credentials.password")
    if isinstance(error, ssl.SSLError):
        return SourceUnavailable("No trusted TLS connection can be made.", HOST)
    if isinstance(error, TimeoutError):
        return SourceUnavailable("The server did not respond in time.", HOST)
    return SourceUnavailable(f"The server is not reached, or the connection ended: {text}", HOST)
