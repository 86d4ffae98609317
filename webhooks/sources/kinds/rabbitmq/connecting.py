"""Connect to a broker to read a queue.

Properties of a message that cannot be parsed would end the connection at each attempt; they are replaced by none, and
the message is marked.
"""

from collections.abc import Callable
from typing import Any

from amqp.basic_message import Message

from webhooks.outgoing.brokers import amqp_broker
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.sources.kinds.unavailable import source_unavailable

_HEADER = 2  # type of a frame with the properties of a message
_BEFORE_PROPERTIES = 12  # bytes of its payload
_NO_PROPERTIES = b"\0\0"


class Broker(amqp_broker.Broker):
    """An open connection with one channel. Methods raise SourceUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self.unreadable: set[int] = set()  # numbers of messages whose properties could not be parsed
        self._messages = 0
        super().__init__(connection, connection.source, amqp_broker.CONNECT_SECONDS)

    def failed(self, problem: BrokerUnavailable) -> SourceUnavailable:
        """Return the exception to raise."""
        return source_unavailable(problem)

    def frame_handler(self, connection: Any, callback: Callable[..., Any]) -> Callable[[Any], Any]:
        """Return the library's handler of frames, after one that replaces properties that cannot be parsed."""
        handle = super().frame_handler(connection, callback)

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
