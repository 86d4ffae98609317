"""Connect to the broker with fewer objects and wake-ups than kombu's own transport.

Kombu makes a client for each command, and with it a table of several hundred callbacks: half a millisecond, three or
four times for each message. Once a second it requests the next message again, and once a second it checks for expired
bindings: both wake up an idle worker, and the first the broker too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

WAIT_FOR_MESSAGE = 10  # seconds after which BRPOP returns without a message


class QuietChannel(redis.Channel):
    """Kombu's channel to Redis, with one client for each pool of connections."""

    _one_client: Any = None
    _in_poll: Any

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Yield this client; None: that of the channel."""
        if client is None:
            if self._one_client is None or self._one_client.connection_pool is not self.pool:
                create: Any = self._create_client
                self._one_client = create()
            client = self._one_client
        yield client

    def close(self) -> None:
        """Close the channel at once, also while its BRPOP waits for a message."""
        if self._in_poll:
            self._in_poll.disconnect()
            self._in_poll = None
        close: Any = super().close
        close()


class QuietTransport(redis.Transport):
    """Kombu's transport over Redis, which wakes up only for messages and health checks."""

    Channel = QuietChannel
    brpop_timeout = WAIT_FOR_MESSAGE

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Wait for messages in this event loop, without the check for expired bindings: ours do not expire."""
        register: Any = super().register_with_event_loop
        register(connection, loop)
        cycle: Any = self.cycle
        cycle._binding_expiry_tref.cancel()


def use_quiet_transport() -> None:
    """Use this transport for all connections to a broker of this kind."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{QuietTransport.__name__}"))
