"""Connect to the broker with fewer objects and wake-ups than kombu's own transport.

Kombu makes a client for each command, and with it a table of several hundred callbacks: half a millisecond, three or
four times for each message. Once a second it requests the next message again, and once a second it checks for expired
bindings: both wake up an idle worker, and the first the broker too. So this transport polls long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

WAIT_FOR_MESSAGE = 10  # seconds after which BRPOP returns without a message


class LongPollChannel(redis.Channel):
    """Kombu's channel to Redis, with one client for each pool of connections, and a BRPOP that is ended by its close.

    ``_poll_id``: of the connection of BRPOP at the server, asked for when the socket is new (``_poll_socket``); None:
    the server does not say.
    """

    _one_client: Any = None
    _in_poll: Any
    _poll_id: int | None = None
    _poll_socket: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Yield this client; None: that of the channel."""
        if client is None:
            if self._one_client is None or self._one_client.connection_pool is not self.pool:
                create: Any = self._create_client
                self._one_client = create()
            client = self._one_client
        yield client

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Request the next message, on a connection that `close` can have unblocked."""
        poll: Any = self.client.connection
        if poll._sock is None or poll._sock is not self._poll_socket:
            poll.send_command("CLIENT", "ID")
            try:
                self._poll_id = int(poll.read_response())
            except self.ResponseError:  # this user may not
                self._poll_id = None
            self._poll_socket = poll._sock
        start: Any = super()._brpop_start
        start(timeout)

    def close(self) -> None:
        """Close the channel at once, also while its BRPOP waits. A message that BRPOP has taken is not lost."""
        if self._in_poll:
            self._end_poll()
        close: Any = super().close
        close()

    def _end_poll(self) -> None:
        """Have the server respond to BRPOP now, and read that: nothing, or a message that came just before."""
        poll = self._in_poll
        try:
            if self._poll_id is None:
                poll.disconnect()
            else:
                with self.conn_or_acquire() as client:
                    client.client_unblock(self._poll_id)
                read: Any = self._brpop_read
                read()
        except Empty:
            pass
        except (*self.connection_errors, self.ResponseError):
            poll.disconnect()
        self._in_poll = None


class LongPollTransport(redis.Transport):
    """Kombu's transport over Redis, which wakes up only for messages and health checks."""

    Channel = LongPollChannel
    brpop_timeout = WAIT_FOR_MESSAGE

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Wait for messages in this event loop, without the check for expired bindings: ours do not expire."""
        register: Any = super().register_with_event_loop
        register(connection, loop)
        cycle: Any = self.cycle
        cycle._binding_expiry_tref.cancel()


def use_long_poll_transport() -> None:
    """Use this transport for all connections to a broker of this kind."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{LongPollTransport.__name__}"))
