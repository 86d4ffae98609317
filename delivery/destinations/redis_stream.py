"""Append to a stream of Redis or Valkey: XADD, many in one pipeline, acknowledged by the id of each entry.

A repeat after a lost acknowledgement is appended again, with the same ``webhook-id``. With ``max_length`` the oldest
entries are removed (``XADD ... MAXLEN ~``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from delivery.transports.message import Message
from delivery.transports.outcome import Failure
from delivery.transports.sockets.kind import (
    SendFailed,
    Sent,
    ShownMessage,
    SocketKind,
    failure_of,
    guarded_address,
    tried,
)
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.outgoing.guarded_host import split_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

PORT = 6379
RESPONSE_WITHIN = 30.0  # seconds: the longest timeout of an attempt; the engine ends attempts earlier
BODY = "body"


class RedisStream(SocketKind):
    """Streams of Redis and Valkey."""

    name = "redis_stream"
    label = "Redis stream"
    description = (
        "An event becomes an entry of a stream of Redis or Valkey. At least once, as durable as the server is set up: "
        "a repeat is another entry with the same `webhook-id`."
    )
    settings = (
        Setting("host", "Host", "Host and port of the server.", is_required=True, example="redis.example.com:6379"),
        Setting("stream", "Stream", "Key of the stream; it is created with the first event.", is_required=True),
        Setting("database", "Database", "Number of the database.", type="number", default=0, minimum=0, maximum=10_000),
        Setting("tls", "TLS", "Whether the connection is encrypted.", type="boolean", default=True),
        Setting(
            "max_length",
            "Length",
            "Number of entries above which the oldest are removed. Default: none is.",
            type="number",
            minimum=1,
        ),
        Setting("username", "User", "User of the access control list. Default: the default user.", max_length=256),
        Setting("password", "Password", "Password of the user.", max_length=1024, is_credential=True),
    )
    max_entries = 500

    def check(self, connection: Connection) -> None:
        try:
            split_host(connection.settings["host"], PORT)
        except ForbiddenAddress as error:
            raise InvalidSettings({"settings.host": str(error)}) from None

    def address(self, settings: Mapping[str, Any]) -> str:
        host, port = split_host(settings["host"], PORT)
        scheme = "rediss" if settings["tls"] else "redis"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{settings['database']}/{settings['stream']}"

    def test(self, connection: Connection) -> str:
        return tried(lambda: self._tested(connection), "settings.host")

    def _tested(self, connection: Connection) -> str:
        client = self.connect(connection, 5.0)
        try:
            stream = connection.settings["stream"]
            kind: Any = client.server.type(stream)
            if kind == b"none":
                return "The server responds; the stream will be created with the first event."
            if kind != b"stream":
                raise DestinationUnavailable(f"The key is no stream, but {kind.decode()}.", "settings.stream")
            return f"The stream has {client.server.xlen(stream)} entries."
        except RedisError as error:
            raise _failed(error) from error
        finally:
            client.close()

    def connect(self, connection: Connection, timeout: float) -> "RedisClient":
        return RedisClient(connection, timeout)

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        return ShownMessage("XADD", self.address(connection.settings), message.attributes, message.body)


class RedisClient:
    """Hold the connection to one server."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        settings = connection.settings
        host, port = split_host(settings["host"], PORT)
        pool = redis.ConnectionPool(
            connection_class=_GuardedTls if settings["tls"] else _Guarded,
            host=host,
            port=port,
            address=guarded_address(connection, host, port),
            db=settings["database"],
            username=settings.get("username"),
            password=connection.credentials.get("password"),
            socket_connect_timeout=timeout,
            socket_timeout=RESPONSE_WITHIN,
            max_connections=1,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
        self.server = redis.Redis(connection_pool=pool)
        self._stream = settings["stream"]
        self._max_length = settings.get("max_length")
        self._do(self.server.ping)

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        pipeline = self.server.pipeline(transaction=False)
        for message in messages:
            fields: Any = {BODY: message.body, **message.attributes}
            pipeline.xadd(self._stream, fields, maxlen=self._max_length, approximate=True)
        results = self._do(lambda: pipeline.execute(raise_on_error=False))
        return [_failed(it) if isinstance(it, Exception) else bytes(it) for it in results]

    def _do(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        except (RedisError, OSError) as error:
            self.close()
            raise _failed(error) from error

    def close(self) -> None:
        self.server.connection_pool.disconnect()


class _Guarded(redis.Connection):
    """Connect to the address that was checked, not to what the name resolves to now."""

    def __init__(self, *, address: str, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.address = address

    def _connect(self) -> Any:
        name, self.host = self.host, self.address
        try:
            return super()._connect()  # type: ignore[no-untyped-call]
        finally:
            self.host = name


class _GuardedTls(redis.SSLConnection, _Guarded):
    """Verify the certificate for the name, after a guarded connect."""


_MEANINGS: tuple[tuple[type[Exception], Failure], ...] = (
    (exceptions.AuthenticationError, Failure.ACCESS_DENIED),
    (exceptions.NoPermissionError, Failure.ACCESS_DENIED),
    (exceptions.AuthorizationError, Failure.ACCESS_DENIED),
    (exceptions.BusyLoadingError, Failure.UNAVAILABLE),
    (exceptions.TimeoutError, Failure.TIMEOUT),
    (exceptions.ReadOnlyError, Failure.UNAVAILABLE),
    (exceptions.OutOfMemoryError, Failure.THROTTLED),
    (exceptions.ClusterError, Failure.UNAVAILABLE),
    (exceptions.ResponseError, Failure.REFUSED),
)


def _failed(error: Exception) -> SendFailed:
    """Return what an error of the library means. A response of the server leaves the connection usable."""
    if isinstance(error, exceptions.ConnectionError) and not isinstance(error, exceptions.AuthenticationError):
        return failure_of(error.__context__ if isinstance(error.__context__, OSError) else ConnectionError(str(error)))
    if str(error).startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return SendFailed(Failure.ACCESS_DENIED, str(error))
    for type_, failure in _MEANINGS:
        if isinstance(error, type_):
            is_response = isinstance(error, exceptions.ResponseError)
            return SendFailed(failure, str(error), connection_is_usable=is_response)
    return failure_of(error)
