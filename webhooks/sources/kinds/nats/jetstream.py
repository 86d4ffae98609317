"""Read a stream of NATS JetStream by a durable pull consumer, of the source or one that exists.

The consumer of the source is created where the position says, so that it is made anew without a loss if it is deleted;
a seek deletes it. A message is delivered again if it is not acknowledged within the time of a lease and more; its id is
made of the stream, when that was created, and its sequence number.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamInfo
from nats.js.errors import NotFoundError

from webhooks.outgoing.brokers.nats_server import CALL_SECONDS, PLACE, USER, connection_problems
from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    Position,
    Reader,
    Record,
    Sample,
    SeekTarget,
    Setting,
    SourceUnavailable,
)
from webhooks.sources.kinds.nats.connecting import Server
from webhooks.sources.kinds.opening import closed_on_failure
from webhooks.sources.kinds.record_headers import record_headers
from webhooks.sources.kinds.start_setting import START, read_start

ACK_WAIT = 90.0  # seconds, longer than a lease
MAX_PENDING = 10_000  # messages that are delivered and not acknowledged
MAX_BYTES = 16 * 1024**2  # of the messages of one fetch, after which it ends
MAX_PULL_BYTES = 64 * 1024**2  # of the messages of one pull, if all are as large as the server allows
SHORTEST_WAIT = 0.05  # seconds; a pull needs a time


class StreamReader:
    """Pull messages of one consumer."""

    def __init__(self, connection: Connection, position: Position) -> None:
        self._server = Server(connection)
        with closed_on_failure(self._server):
            self._open(connection, position)

    def _open(self, connection: Connection, position: Position) -> None:
        run, stream = self._server.run, connection.settings["stream"]
        api = self._server.jetstream()
        info = run(api.stream_info(stream))
        self._place = f"{stream}@{_created(info)}"
        self._consumer = run(_consumer(api, connection, position))
        self._pull = run(api.pull_subscribe_bind(self._consumer, stream))
        self._after = (position or {}).get("after", 0)
        self._batch = max(1, MAX_PULL_BYTES // self._server.max_payload)
        self._unacknowledged: list[Msg] = []

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        records: list[Record] = []
        size = 0
        seconds = max(wait, SHORTEST_WAIT)
        while len(records) < limit and size < MAX_BYTES:
            number = min(limit - len(records), self._batch)
            messages = self._server.run(self._fetched(number, seconds), seconds + CALL_SECONDS)
            self._unacknowledged += messages
            records += [self._record(message) for message in messages]
            size += sum(len(message.data) for message in messages)
            seconds = SHORTEST_WAIT
            if len(messages) < number:
                break
        return records

    async def _fetched(self, number: int, seconds: float) -> list[Msg]:
        try:
            return await self._pull.fetch(number, timeout=seconds)
        except TimeoutError:  # there is none
            return []

    def _record(self, message: Msg) -> Record:
        metadata = message.metadata
        sequence = metadata.sequence.stream
        self._after = max(self._after, sequence)
        headers = message.headers or {}
        own = {
            "nats-subject": message.subject,
            "nats-sequence": sequence,
            "nats-deliveries": metadata.num_delivered,
        }
        found = record_headers(_lines(headers), own)
        return Record(
            id=f"{self._place}:{sequence}",
            body=message.data,
            position={"after": self._after},
            headers=found,
            content_type=found.get("content-type", ""),
            time=metadata.timestamp,
            handle=message,
        )

    def acknowledge(self, records: Sequence[Record]) -> None:
        self._server.run(self._acknowledged([record.handle for record in records]))
        self._unacknowledged = []

    async def _acknowledged(self, messages: Sequence[Msg]) -> None:
        for message in messages[:-1]:
            await message.ack()
        await messages[-1].ack_sync(timeout=CALL_SECONDS)

    def lag(self) -> Lag:
        info = self._server.run(self._pull.consumer_info())
        return Lag(info.num_pending)

    def close(self) -> None:
        """Give messages that were not stored back at once, and close the connection."""
        messages, self._unacknowledged = self._unacknowledged, []
        with suppress(SourceUnavailable):
            if messages:
                self._server.run(_given_back(messages))
                self._server.flush()
        self._server.close()


async def _given_back(messages: Sequence[Msg]) -> None:
    for message in messages:
        with suppress(Error):
            await message.nak()


class Nats(Kind):
    """Messages of a JetStream stream."""

    name = "nats"
    label = "NATS JetStream"
    description = (
        "Each message of a stream is received once: it is stored, then acknowledged, and a message that is delivered "
        "again is a duplicate by the stream and its sequence number."
    )
    settings = (
        *PLACE,
        Setting("stream", "Stream", "Name of the stream.", is_required=True, names_place=True, example="ORDERS"),
        Setting(
            "subject",
            "Subject",
            "Subject to read, with the wildcards of NATS; empty: all of the stream.",
            names_place=True,
            example="orders.*",
        ),
        Setting(
            "consumer",
            "Consumer",
            "Name of a durable pull consumer that exists, with explicit acknowledgement; empty: one is created for the "
            "source, and removed with it.",
            names_place=True,
            max_length=128,
        ),
        START,
        *USER,
    )
    modules = ("nats", "nkeys")
    extra = "nats"

    def check(self, connection: Connection) -> None:
        settings = connection.settings
        problems = connection_problems(connection)
        for name in ("stream", "consumer"):
            if any(it in ".*>/\\ \t" for it in settings.get(name) or ""):
                problems[f"settings.{name}"] = "Must not contain a full stop, *, >, a slash or a space."
        if settings.get("consumer") and settings.get("subject"):
            problems["settings.subject"] = "An existing consumer has a subject of its own; leave this empty."
        try:
            read_start(settings.get("start") or "latest")
        except InvalidSettings as error:
            problems |= error.problems
        if problems:
            raise InvalidSettings(problems)

    def test(self, connection: Connection) -> Sample:
        server, stream = Server(connection), connection.settings["stream"]
        try:
            api = server.jetstream()
            info = server.run(api.stream_info(stream))
            if connection.settings.get("consumer"):
                server.run(api.consumer_info(stream, connection.settings["consumer"]))
            return Sample(f"Found the stream {stream} with {info.state.messages} messages.", _latest(server, info))
        finally:
            server.close()

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        """Delete the consumer of the source; the next reader creates it at the target."""
        if connection.settings.get("consumer"):
            raise InvalidSettings({"to": "A source that reads an existing consumer cannot seek."})
        server, stream = Server(connection), connection.settings["stream"]
        try:
            api = server.jetstream()
            info = server.run(api.stream_info(stream))
            server.run(_delete(api, stream, consumer_name(connection)))
        finally:
            server.close()
        if isinstance(to, datetime):
            return {"time": to.astimezone(UTC).isoformat()}
        return {"after": info.state.last_seq if to == "latest" else 0}

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        return StreamReader(connection, position)

    def remove(self, connection: Connection) -> None:
        if connection.settings.get("consumer"):
            return
        server = Server(connection)
        try:
            server.run(_delete(server.jetstream(), connection.settings["stream"], consumer_name(connection)))
        finally:
            server.close()


def consumer_name(connection: Connection) -> str:
    """Return the name of the consumer that is created for a source."""
    return f"waypost-{connection.source}"


async def _delete(api: Any, stream: str, consumer: str) -> None:
    with suppress(NotFoundError):
        await api.delete_consumer(stream, consumer)


async def _consumer(api: Any, connection: Connection, position: Position) -> str:
    """Return the name of the consumer to read, which is created if it is the source's own and does not exist."""
    settings = connection.settings
    if settings.get("consumer"):
        await api.consumer_info(settings["stream"], settings["consumer"])
        return str(settings["consumer"])
    name, subject = consumer_name(connection), settings.get("subject")
    try:
        found = await api.consumer_info(settings["stream"], name)
    except NotFoundError:
        found = None
    if found is not None and (found.config.filter_subject or None) != (subject or None):
        await _delete(api, settings["stream"], name)
        found = None
    if found is None:
        config = ConsumerConfig(
            durable_name=name,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_ack_pending=MAX_PENDING,
            filter_subject=subject or None,
            **_start(settings.get("start") or "latest", position),
        )
        await api.add_consumer(settings["stream"], config)
    return name


def _start(start: str, position: Position) -> dict[str, Any]:
    """Return where a new consumer begins."""
    if position and "after" in position:
        return {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": position["after"] + 1}
    target = datetime.fromisoformat(position["time"]) if position else read_start(start)
    if isinstance(target, datetime):
        return {"deliver_policy": DeliverPolicy.BY_START_TIME, "opt_start_time": target.astimezone(UTC)}
    return {"deliver_policy": DeliverPolicy.ALL if target == "earliest" else DeliverPolicy.NEW}


def _latest(server: Server, info: StreamInfo) -> Record | None:
    """Return the latest message of a stream, without delivering it; None if that is not allowed, or there is none."""
    stream = str(info.config.name)
    try:
        message = server.run(server.jetstream().get_msg(stream, info.state.last_seq))
    except SourceUnavailable:
        return None
    headers = record_headers((message.headers or {}).items(), {"nats-subject": message.subject})
    return Record(f"{stream}@{_created(info)}:{message.seq}", message.data or b"", headers=headers)


def _created(info: StreamInfo) -> str:
    """Return when a stream was created: another stream of the same name has other messages under its numbers."""
    created = getattr(info, "created", None)
    return f"{created:%Y%m%dT%H%M%S}" if isinstance(created, datetime) else str(created or "")[:19]


def _lines(headers: Any) -> Iterator[tuple[str, object]]:
    for name, value in headers.items():
        yield name, ", ".join(value) if isinstance(value, list) else value
