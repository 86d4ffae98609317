"""Send all commands of a channel to the broker through one client.

Kombu makes a client for each command, and with it a table of several hundred callbacks: half a millisecond, three or
four times for each message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis


class OneClientChannel(redis.Channel):
    """Kombu's channel to Redis, with one client for each pool of connections."""

    _one_client: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Yield this client; None: that of the channel."""
        if client is None:
            if self._one_client is None or self._one_client.connection_pool is not self.pool:
                create: Any = self._create_client
                self._one_client = create()
            client = self._one_client
        yield client


def use_one_client() -> None:
    """Use this channel for all connections to a broker of this kind."""
    redis.Transport.Channel = OneClientChannel
