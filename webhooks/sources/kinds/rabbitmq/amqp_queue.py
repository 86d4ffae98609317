"""Consume a queue of RabbitMQ: a bounded number of messages at a time, acknowledged together when they are stored.

A fetch subscribes with a prefetch limit, takes what comes, and ends the subscription, so no message is held by a reader
that rests. AMQP gives a message no identity, so its id is the property ``message_id`` if it has one, and else a hash of
its content, properties, exchange and routing key: a message that is delivered again has the same.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from webhooks.outgoing.brokers.amqp_broker import CALL_SECONDS, HEARTBEAT, SETTINGS, connection_problems
from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    Position,
    Reader,
    Record,
    Sample,
    Setting,
)
from webhooks.sources.kinds.opening import closed_on_failure
from webhooks.sources.kinds.rabbitmq.connecting import Broker
from webhooks.sources.kinds.record_headers import record_headers

MAX_BYTES = 16 * 1024**2  # of the bodies of one fetch, after which it ends
FIRST_PREFETCH = 50  # messages, until their size is known
QUIET_SECONDS = 0.05  # without a message, after which a fetch that has some ends
_PROPERTIES = ("message_id", "correlation_id", "reply_to", "app_id", "user_id", "type", "priority", "expiration")
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})  # other values name a charset
_CLOUD_EVENTS = ("cloudevents:", "cloudevents_")  # prefixes of the AMQP binding of CloudEvents


class QueueReader:
    """Consume one queue over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._queue = connection, connection.settings["queue"]
        self._prefetch = FIRST_PREFETCH
        self._received: list[tuple[Any, str]] = []  # messages, and what is wrong with them
        self._size = 0  # bytes of their bodies
        self._surplus: list[int] = []  # delivery tags of messages that came after MAX_BYTES, which are given back
        self._broker = self._opened()

    def _opened(self) -> Broker:
        broker = Broker(self._connection)
        with closed_on_failure(broker):
            _declare(broker, self._queue)
        self._used_at = time.monotonic()
        return broker

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        if time.monotonic() - self._used_at > HEARTBEAT:
            self.close()
            self._broker = self._opened()
        self._received, self._size, self._surplus = [], 0, []
        number = max(1, min(limit, self._prefetch))
        with self._broker.limited(wait + 2 * CALL_SECONDS):
            self._broker.send_heartbeat()
            self._consume(number, wait)
        self._used_at = time.monotonic()
        records = [_record(message, problem) for message, problem in self._received]
        if records:
            self._prefetch = max(1, MAX_BYTES * len(records) // max(self._size, 1))
        return records

    def _consume(self, number: int, wait: float) -> None:
        """Subscribe for ``number`` messages, and end the subscription when there are no more, or they are too large.

        The broker counts messages and not bytes, so it has sent the rest of them then. They are received without being
        kept, and given back.
        """
        channel, until = self._broker.channel, time.monotonic() + wait
        channel.basic_qos(0, number, False)
        tag = channel.basic_consume(self._queue, callback=self._on_message)
        while len(self._received) < number and self._size < MAX_BYTES:
            left = QUIET_SECONDS if self._received or wait <= QUIET_SECONDS else until - time.monotonic()
            if left <= 0 or not self._broker.drain(left):
                break
        channel.basic_cancel(tag)
        for surplus in self._surplus:
            channel.basic_reject(surplus, requeue=True)

    def _on_message(self, message: Any) -> None:
        problem = self._broker.problems.pop(self._broker.messages, "")
        if self._size >= MAX_BYTES:
            self._surplus.append(message.delivery_info["delivery_tag"])
            return
        self._received.append((message, problem))
        self._size += len(message.body)

    def acknowledge(self, records: Sequence[Record]) -> None:
        with self._broker.limited(CALL_SECONDS):
            self._broker.channel.basic_ack(records[-1].handle, multiple=True)
        self._used_at = time.monotonic()

    def lag(self) -> Lag:
        return Lag(_declare(self._broker, self._queue))

    def close(self) -> None:
        self._broker.close()


class Amqp(Kind):
    """Messages of a queue of RabbitMQ."""

    name = "amqp"
    label = "RabbitMQ (AMQP 0-9-1)"
    description = (
        "Each message of a queue is stored, then acknowledged; one that is delivered again is a duplicate by its "
        "property message_id, or without one by its content, properties, exchange and routing key."
    )
    settings = (
        *SETTINGS,
        Setting(
            "queue",
            "Queue",
            "Name of a queue that exists; it is neither declared nor bound.",
            is_required=True,
            names_place=True,
            max_length=255,
            example="orders",
        ),
    )
    modules = ("amqp",)
    can_seek = False

    def check(self, connection: Connection) -> None:
        if problems := connection_problems(connection):
            raise InvalidSettings(problems)

    def test(self, connection: Connection) -> Sample:
        broker, queue = Broker(connection), connection.settings["queue"]
        try:
            number = _declare(broker, queue)
        finally:
            broker.close()
        return Sample(
            f"Found the queue {queue} with {number} messages. None was received, because that marks it as delivered."
        )

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        return QueueReader(connection)

    def remove(self, connection: Connection) -> None:
        """Remove nothing: the queue was not made for the source."""


def _declare(broker: Broker, queue: str) -> int:
    """Check that a queue exists; return how many messages it has. Raises SourceUnavailable."""
    with broker.limited(CALL_SECONDS):
        return int(broker.channel.queue_declare(queue, passive=True).message_count)


def _record(message: Any, problem: str) -> Record:
    properties, delivery = message.properties, message.delivery_info
    body = message.body.encode("utf-8", "surrogatepass") if isinstance(message.body, str) else bytes(message.body)
    written = properties.get("application_headers") or {}
    coding = str(properties.get("content_encoding") or "").lower()
    own = {
        "amqp-exchange": delivery.get("exchange"),
        "amqp-routing-key": delivery.get("routing_key"),
        "amqp-redelivered": delivery.get("redelivered"),
        **{f"amqp-{name.replace('_', '-')}": properties.get(name) for name in _PROPERTIES},
        "content-encoding" if coding in _COMPRESSED else "amqp-content-encoding": coding,
    }
    return Record(
        id=_id(properties, delivery, body),
        body=body,
        headers=record_headers(_flat(written), own),
        content_type=str(properties.get("content_type") or ""),
        time=_time(properties.get("timestamp")),
        event_type=str(properties.get("type") or ""),
        problem=problem,
        handle=delivery["delivery_tag"],
    )


def _id(properties: Mapping[str, Any], delivery: Mapping[str, Any], body: bytes) -> str:
    """Return the property ``message_id``, or a hash of what does not change when a message is delivered again."""
    if properties.get("message_id"):
        return str(properties["message_id"])
    headers = {
        name: it for name, it in (properties.get("application_headers") or {}).items() if name != "x-delivery-count"
    }
    place = (delivery.get("exchange"), delivery.get("routing_key"))
    stable = repr((place, sorted({**properties, "application_headers": repr(sorted(headers.items()))}.items())))
    return "sha256:" + hashlib.sha256(stable.encode("utf-8", "surrogatepass") + b"\0" + body).hexdigest()


def _flat(headers: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield headers as texts: tables and arrays as JSON; those of CloudEvents with the prefix of HTTP."""
    for name, value in headers.items():
        for prefix in _CLOUD_EVENTS:
            if name.lower().startswith(prefix):
                name = f"ce-{name[len(prefix) :]}"  # noqa: PLW2901
        if isinstance(value, (dict, list)):
            value = orjson.dumps(value, default=str).decode()  # noqa: PLW2901
        yield name, value.isoformat() if isinstance(value, datetime) else value


def _time(value: object) -> datetime | None:
    """Return the time of the property ``timestamp``, seconds in UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int) else None
    except (ValueError, OverflowError, OSError):
        return None
