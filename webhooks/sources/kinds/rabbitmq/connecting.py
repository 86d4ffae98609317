"""Connect to a broker to read a queue.

Properties of a message that cannot be parsed would end the connection at each attempt; they are replaced by none, and
the message is marked. So is one of which the body is too large, which is received without being kept.
"""

from collections.abc import Callable
from typing import Any

from amqp.basic_message import Message

from webhooks.outgoing.brokers import amqp_broker
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.sources.kinds.unavailable import source_unavailable

MAX_MESSAGE = 128 * 1024**2  # bytes of a body, the most that RabbitMQ accepts unless it is configured otherwise
UNREADABLE = "The properties of the message cannot be read."
TOO_LARGE = f"The message has more than {MAX_MESSAGE // 1024**2} MiB."

_HEADER, _BODY = 2, 3  # types of frames: the size and the properties of a message, and a part of its body
_SIZE = slice(4, 12)  # of the body, in the payload of the first
_BEFORE_PROPERTIES = 12  # bytes of it
_NO_PROPERTIES = b"\0\0"


class Broker(amqp_broker.Broker):
    """An open connection with one channel. Methods raise SourceUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self.problems: dict[int, str] = {}  # of messages that could not be read as they are, by number
        self._messages = 0
        self._to_skip = 0  # bytes of the body of the latest message that are still to come and are not kept
        super().__init__(connection, connection.source, amqp_broker.CONNECT_SECONDS)

    def failed(self, problem: BrokerUnavailable) -> SourceUnavailable:
        """Return the exception to raise."""
        return source_unavailable(problem)

    def frame_handler(self, connection: Any, callback: Callable[..., Any]) -> Callable[[Any], Any]:
        """Return the library's handler of frames, after one that replaces what it cannot handle."""
        handle = super().frame_handler(connection, callback)

        def checked(frame: tuple[int, int, bytes]) -> Any:
            kind, channel, payload = frame
            if kind == _BODY and self._to_skip:
                self._to_skip = max(0, self._to_skip - len(payload))
                return False
            if kind == _HEADER:
                self._messages += 1
                payload = self._checked_header(bytes(payload))
            return handle((kind, channel, payload))

        return checked

    def _checked_header(self, payload: bytes) -> bytes:
        """Return the header of a message, without properties that cannot be parsed, or the size of a large body."""
        try:
            Message().inbound_header(payload)
        except Exception:
            self.problems[self._messages] = UNREADABLE
            payload = payload[:_BEFORE_PROPERTIES] + _NO_PROPERTIES
        size = int.from_bytes(payload[_SIZE])
        if size > MAX_MESSAGE:
            self.problems[self._messages] = TOO_LARGE
            self._to_skip = size
            payload = payload[: _SIZE.start] + bytes(8) + payload[_SIZE.stop :]
        return payload

    @property
    def messages(self) -> int:
        """Return how many messages have begun to arrive."""
        return self._messages
