"""Use fewer commands, objects and wake-ups than kombu does for what a connection to the broker does.

Kombu makes a client for each command, and with it a table of several hundred callbacks: half a millisecond, three or
four times for each message. Once a second it asks for the next message again, and looks for bindings that expire, which
wakes up an idle worker and the broker.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

WAIT_FOR_MESSAGE = 10  # seconds until the broker responds that there is no message


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
        """Close the channel, without waiting for the broker to respond that there is no message."""
        if self._in_poll:
            self._in_poll.disconnect()
            self._in_poll = None
        close: Any = super().close
        close()


class QuietTransport(redis.Transport):
    """Kombu's connection to Redis, which wakes up for messages and checks of the connection only."""

    Channel = QuietChannel
    brpop_timeout = WAIT_FOR_MESSAGE

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Wait for messages in this loop. Our bindings do not expire."""
        register: Any = super().register_with_event_loop
        register(connection, loop)
        cycle: Any = self.cycle
        cycle._binding_expiry_tref.cancel()


def use_quiet_transport() -> None:
    """Use this transport for all connections to a broker of this kind."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{QuietTransport.__name__}"))
