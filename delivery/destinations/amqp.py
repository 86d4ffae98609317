"""Publish to exchanges of RabbitMQ, and of other brokers that speak AMQP 0-9-1: many messages at once, confirmed.

A message is delivered when the broker has confirmed it (publisher confirms): it is in every queue that it is routed to.
``mandatory`` has the broker return a message that no queue gets, which would be lost otherwise. An exchange that does
not exist, or a message that is too large, ends the channel with all messages in it; those are published one by one
then, so that each fails alone.

CloudEvents: AMQP protocol binding 1.0.2, with the prefix ``cloudEvents_`` that also JMS can read; the application
properties of AMQP 1.0 are the headers of AMQP 0-9-1.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import amqp
from amqp.exceptions import ChannelError, PreconditionFailed

from delivery.transports.content_modes import CONTENT_MODE, content_of
from delivery.transports.message import CONTENT_TYPE, Message
from delivery.transports.message_texts import InvalidText, MessageText, compile_text
from delivery.transports.outcome import Failure
from delivery.transports.sockets.brokers import broker_failed
from delivery.transports.sockets.kind import SendFailed, Sent, ShownMessage, SocketKind, tried
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.outgoing.brokers import amqp_broker
from webhooks.outgoing.brokers.amqp_broker import HOST, SETTINGS, connection_problems, default_port
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.outgoing.guarded_host import split_host

PREFIX = "cloudEvents_"  # of headers with attributes of an event
EXCHANGE, ROUTING_KEY = "settings.exchange", "settings.routing_key"
MAX_NAME = 255  # bytes of an exchange or a routing key
PERSISTENT = 2
CONFIRMED = b"confirmed"
MARGIN = 0.1  # seconds after the end of the attempts in which the library may end a call itself


class Amqp(SocketKind):
    """Exchanges of RabbitMQ."""

    name = "amqp"
    label = "RabbitMQ (AMQP 0-9-1)"
    description = (
        "An event becomes a persistent message of an exchange, confirmed by the broker. At least once: a repeat is "
        "another message with the same `message_id`."
    )
    settings = (
        *SETTINGS,
        Setting(
            "exchange",
            "Exchange",
            "Exchange to publish to, or a text with paths between < and >. Empty: the default exchange, which routes "
            "to the queue that the routing key names.",
            default="",
            max_length=1024,
            example="events",
        ),
        Setting(
            "routing_key",
            "Routing key",
            "Routing key: a text with paths between < and >, or one path.",
            is_required=True,
            max_length=1024,
            example="orders.<$.type>.<$.data.country>",
        ),
        Setting(
            "mandatory",
            "Mandatory",
            "Whether a message that no queue gets is a failure; else the broker drops it and confirms it.",
            type="boolean",
            default=True,
        ),
        CONTENT_MODE,
    )
    modules = ("amqp",)
    max_entries = 200
    max_bytes = 4 * 1024 * 1024

    def check(self, connection: Connection) -> None:
        problems = connection_problems(connection)
        for setting in (EXCHANGE, ROUTING_KEY):
            try:
                compile_text(connection.settings[setting.partition(".")[2]])
            except InvalidText as error:
                problems[setting] = str(error)
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        host, port = split_host(settings["host"], default_port(settings))
        scheme, shown = "amqps" if settings["tls"] else "amqp", f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{port}/{settings['virtual_host']} {settings['exchange']}".rstrip()

    def test(self, connection: Connection) -> str:
        return tried(lambda: _tested(connection), HOST)

    def check_message(self, connection: Connection, message: Message) -> None:
        Route(connection.settings).of(message)

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        headers, body = content_of(message, connection.settings["content_mode"], PREFIX)
        exchange, routing_key = Route(connection.settings).of(message)
        shown = {"exchange": exchange, "routing-key": routing_key, "message-id": message.id, **headers}
        return ShownMessage("PUBLISH", self.address(connection.settings), shown, body)

    def connect(self, connection: Connection, timeout: float) -> "AmqpClient":
        return AmqpClient(connection, timeout)


class Route:
    """Find where messages are published to."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._exchange, self._routing_key = compile_text(settings["exchange"]), compile_text(settings["routing_key"])

    def of(self, message: Message) -> tuple[str, str]:
        """Return exchange and routing key. Raises SendFailed."""
        return _name(self._exchange, message, EXCHANGE), _name(self._routing_key, message, ROUTING_KEY)


def _name(text: MessageText, message: Message, setting: str) -> str:
    name = text.make(message, setting)
    if len(name.encode()) > MAX_NAME:
        raise SendFailed(Failure.REFUSED, f"What {setting} makes of the event is longer than {MAX_NAME} bytes.")
    return name


def _tested(connection: Connection) -> str:
    exchange, routing_key = connection.settings["exchange"], connection.settings["routing_key"]
    with closing(Broker(connection, amqp_broker.CONNECT_SECONDS)) as broker, broker.limited(amqp_broker.CALL_SECONDS):
        if exchange and not compile_text(exchange).has_paths:
            broker.channel.exchange_declare(exchange, "", passive=True)
            return f"The exchange {exchange} exists."
        if not exchange and not compile_text(routing_key).has_paths:
            broker.not_found = ("There is no such queue", ROUTING_KEY)
            found = broker.channel.queue_declare(routing_key, passive=True)
            return f"The queue {routing_key} has {found.message_count} messages."
    return "The broker accepts the user; exchange and queues follow from each event."


class Broker(amqp_broker.Broker):
    """An open connection with one channel. Methods raise SendFailed."""

    not_found = ("The message cannot be published", EXCHANGE)

    def __init__(self, connection: Connection, timeout: float) -> None:
        super().__init__(connection, connection.endpoint, timeout)

    def failed(self, problem: BrokerUnavailable) -> SendFailed:
        return broker_failed(problem)


class AmqpClient:
    """Hold the connection to one broker, with a channel that confirms messages."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._route = Route(connection.settings)
        self._mode: str = connection.settings["content_mode"]
        self._is_mandatory: bool = connection.settings["mandatory"]
        self._connection = connection
        self._broker = Broker(connection, timeout)
        self._select()

    def _select(self) -> None:
        """Have the channel confirm messages; their numbers begin anew."""
        with self._broker.limited(amqp_broker.CALL_SECONDS):
            self._broker.channel.confirm_select()
        self._confirms = Confirms(self._broker.channel)

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        until = time.monotonic() + timeout
        self._renew(timeout)
        results: list[Sent | None] = [None] * len(messages)
        if (error := self._publish(messages, range(len(messages)), results, until)) is not None:
            for number in [n for n, it in enumerate(results) if it is None]:
                if len(messages) > 1:
                    error = self._publish(messages, [number], results, until)
                results[number] = results[number] or error
        return [it or self._late() for it in results]

    def _late(self) -> SendFailed:
        if self._broker.is_blocked:
            return SendFailed(Failure.THROTTLED, "The broker takes no messages: it has too little memory or disk.")
        return SendFailed(Failure.TIMEOUT, "The broker has not confirmed the message in time.")

    def _renew(self, timeout: float) -> None:
        """Connect again if the broker has closed the connection meanwhile, as before a restart."""
        try:
            with self._broker.limited(amqp_broker.CALL_SECONDS):
                self._broker.send_heartbeat()
                while self._broker.drain(0):
                    pass
        except SendFailed:
            self.close()
            self._broker = Broker(self._connection, timeout)
            self._select()

    def _publish(
        self, messages: Sequence[Message], numbers: Sequence[int], results: list[Sent | None], until: float
    ) -> SendFailed | None:
        """Publish the messages of these numbers, and wait for the confirmations; what is late stays None.

        Return why the broker has closed the channel, after another one is open; None if it has not.
        """
        try:
            with self._broker.limited(max(until - time.monotonic(), 0) + MARGIN):
                for number in numbers:
                    self._confirms.expect(number, messages[number].id)
                    self._publish_one(messages[number])
                while self._confirms.are_missing and (left := until - time.monotonic()) > 0:
                    self._broker.drain(left)
        except SendFailed as error:
            if isinstance(error.__cause__, ChannelError):
                self._confirms.take(results)
                self._select()  # the library has opened the channel again
                return _of_channel(error)
            raise (self._late() if error.failure is Failure.TIMEOUT else error) from error
        self._confirms.take(results)
        if self._confirms.are_missing:
            self.close()
        return None

    def _publish_one(self, message: Message) -> None:
        headers, body = content_of(message, self._mode, PREFIX)
        exchange, routing_key = self._route.of(message)
        content = amqp.Message(
            body,
            content_type=headers.pop(CONTENT_TYPE, None),
            application_headers=headers,
            delivery_mode=PERSISTENT,
            message_id=message.id,
            timestamp=message.timestamp,
            type=message.event_attributes.get("type", "")[:MAX_NAME] or None,
            app_id="waypost",
        )
        self._broker.channel.basic_publish(content, exchange, routing_key, mandatory=self._is_mandatory)

    def close(self) -> None:
        self._broker.close()


class Confirms:
    """Match the confirmations of a channel with messages: the broker counts them from 1."""

    def __init__(self, channel: Any) -> None:
        self._next = 1
        self._waiting: dict[int, tuple[int, str]] = {}  # by the broker's count: our number, and the id
        self._returned: dict[str, SendFailed] = {}  # by id
        self._results: dict[int, Sent] = {}
        channel.events["basic_ack"] = {self._on_ack}
        channel.events["basic_nack"] = {self._on_nack}
        channel.events["basic_return"] = {self._on_return}

    def expect(self, number: int, message_id: str) -> None:
        """Note the next message that is published."""
        self._waiting[self._next] = (number, message_id)
        self._next += 1

    @property
    def are_missing(self) -> bool:
        """Return whether messages are not confirmed yet."""
        return bool(self._waiting)

    def take(self, results: list[Sent | None]) -> None:
        """Write what is known by now, at the numbers of the messages."""
        for number, result in self._results.items():
            results[number] = result
        self._results = {}

    def _on_ack(self, count: int, multiple: bool) -> None:
        for number, message_id in self._pop(count, multiple=multiple):
            self._results[number] = self._returned.pop(message_id, CONFIRMED)

    def _on_nack(self, count: int, multiple: bool) -> None:
        for number, _ in self._pop(count, multiple=multiple):
            text = "The broker does not take the message (basic.nack): a queue is full."
            self._results[number] = SendFailed(Failure.THROTTLED, text)

    def _pop(self, count: int, *, multiple: bool) -> list[tuple[int, str]]:
        counts = [it for it in self._waiting if it <= count] if multiple else [count]
        return [self._waiting.pop(it) for it in counts if it in self._waiting]

    def _on_return(self, _error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        """Note a message that no queue gets; its acknowledgement follows."""
        text = f"No queue gets what the exchange {exchange or '(default)'} is sent with the routing key {routing_key}."
        failed = SendFailed(Failure.NOT_FOUND, text, setting=ROUTING_KEY)
        self._returned[str(message.properties.get("message_id"))] = failed


def _of_channel(error: SendFailed) -> SendFailed:
    """Return what it means that the broker has closed the channel because of one message."""
    if not isinstance(error.__cause__, PreconditionFailed):
        return error
    failure = Failure.TOO_LARGE if "larger" in error.text else Failure.REFUSED
    return SendFailed(failure, error.text, setting=error.setting)
