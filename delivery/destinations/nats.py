"""Publish to streams of NATS JetStream: many messages at once, each acknowledged by the stream that stored it.

``Nats-Msg-Id`` is that of the endpoint and the event, so within the window of the stream (two minutes unless it says
otherwise) a repeat is stored once, and two endpoints may write the same event to one stream.

CloudEvents: NATS protocol binding 1.0.3, with the headers ``ce-`` of its binary mode percent-encoded as over HTTP.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from nats.errors import BadSubjectError, MaxPayloadError, NoRespondersError
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from delivery.transports.content_modes import CONTENT_MODE, content_of
from delivery.transports.message import Message
from delivery.transports.message_texts import InvalidText, compile_text
from delivery.transports.outcome import Failure
from delivery.transports.sockets.brokers import broker_failed
from delivery.transports.sockets.kind import SendFailed, Sent, ShownMessage, SocketKind, tried
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.outgoing.brokers import nats_server
from webhooks.outgoing.brokers.nats_server import HOST, PLACE, PORT, STREAM, USER, connection_problems, problem_of
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.outgoing.guarded_host import split_host
from webhooks.wire import header_values

PREFIX = "ce-"  # of headers with attributes of an event
SUBJECT = "settings.subject"
MESSAGE_ID = "Nats-Msg-Id"
ASK_SECONDS = 2.0  # to ask for the stream of a subject, in a test
_SUBJECT = re.compile(r"[^\s.*>\x00-\x1f\x7f]+(\.[^\s.*>\x00-\x1f\x7f]+)*")


class Nats(SocketKind):
    """Streams of NATS JetStream."""

    name = "nats"
    label = "NATS JetStream"
    description = (
        "An event becomes a message of a JetStream stream. At least once; a repeat within the duplicate window of the "
        "stream is stored once."
    )
    settings = (
        *PLACE,
        Setting(
            "subject",
            "Subject",
            "Subject to publish to, of a stream that exists: a text with paths between < and >, or one path.",
            is_required=True,
            max_length=1024,
            example="orders.<$.type>.<$.data.country>",
        ),
        Setting(
            "stream",
            "Stream",
            "Name of the stream that must store the messages; empty: any that has the subject.",
            max_length=255,
            example="ORDERS",
        ),
        CONTENT_MODE,
        *USER,
    )
    modules = ("nats", "nkeys")
    extra = "nats"
    max_entries = 200
    max_bytes = 4 * 1024 * 1024

    def check(self, connection: Connection) -> None:
        settings = connection.settings
        problems = connection_problems(connection)
        try:
            text = compile_text(settings["subject"])
        except InvalidText as error:
            problems[SUBJECT] = str(error)
        else:
            if not text.has_paths and not _SUBJECT.fullmatch(settings["subject"]):
                problems[SUBJECT] = "Must be parts with full stops between, without spaces, * and >."
        if any(it in ".*>/\\ \t" for it in settings.get("stream") or ""):
            problems[STREAM] = "Must not contain a full stop, *, >, a slash or a space."
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        host, port = split_host(settings["host"], PORT)
        scheme, shown = "tls" if settings["tls"] else "nats", f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{port}/{settings['subject']}"

    def test(self, connection: Connection) -> str:
        return tried(lambda: _tested(connection), HOST)

    def check_message(self, connection: Connection, message: Message) -> None:
        subject_of(connection, message)

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        headers, body = _content(connection, message)
        shown = {"subject": subject_of(connection, message), **headers}
        return ShownMessage("PUB", self.address(connection.settings), shown, body)

    def connect(self, connection: Connection, timeout: float) -> "NatsClient":
        return NatsClient(connection, timeout)


def subject_of(connection: Connection, message: Message) -> str:
    """Return the subject of a message. Raises SendFailed."""
    subject = compile_text(connection.settings["subject"]).make(message, SUBJECT)
    if not _SUBJECT.fullmatch(subject):
        text = f"{SUBJECT} makes no subject of the event: it has an empty part, a space, * or >."
        raise SendFailed(Failure.REFUSED, text)
    return subject


def _content(connection: Connection, message: Message) -> tuple[dict[str, str], bytes]:
    headers, body = content_of(message, connection.settings["content_mode"], PREFIX)
    named = {name: header_values.encode(it) if name.startswith(PREFIX) else it for name, it in headers.items()}
    return {MESSAGE_ID: f"{connection.endpoint}.{message.id}", **named}, body


def _tested(connection: Connection) -> str:
    settings, text = connection.settings, compile_text(connection.settings["subject"])
    with closing(Server(connection, nats_server.CONNECT_SECONDS)) as server:
        api, unknown = server.jetstream(ASK_SECONDS), "The server accepts the user."
        try:
            if settings.get("stream"):
                found = server.run(api.stream_info(settings["stream"]))
                return f"The stream {settings['stream']} has {found.state.messages} messages."
            if not text.has_paths:
                name = server.run(api.find_stream_name_by_subject(settings["subject"]))
                return f"The stream {name} has the subject."
        except SendFailed as error:
            if isinstance(error.__cause__, ServiceUnavailableError | NoRespondersError):
                raise DestinationUnavailable("The server has no JetStream for this user.", HOST) from error
            if isinstance(error.__cause__, NotFoundError) and not settings.get("stream"):
                raise DestinationUnavailable(f"No stream has the subject {settings['subject']}.", SUBJECT) from error
            if server.denied:  # a user who may only publish
                return unknown
            raise
        return unknown


class Server(nats_server.Server):
    """An open connection. Methods raise SendFailed."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self.denied: list[str] = []  # what the server has said about missing permissions
        self.was_denied = asyncio.Event()
        super().__init__(connection, connection.endpoint, timeout)

    def failed(self, problem: BrokerUnavailable) -> SendFailed:
        return broker_failed(problem)

    async def on_error(self, error: Exception) -> None:
        """Note missing permissions, which the server reports apart from the call."""
        if "permissions violation" in str(error).lower():
            self.denied.append(str(error))
            self.was_denied.set()


class NatsClient:
    """Hold the connection to one server."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._server = Server(connection, timeout)

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        until = time.monotonic() + timeout
        if not self._server.client.is_connected:
            self.close()
            self._server = Server(self._connection, timeout)
        left = max(until - time.monotonic(), 0.0)
        return self._server.run(self._published(messages, left), left + nats_server.GRACE_SECONDS)

    async def _published(self, messages: Sequence[Message], seconds: float) -> list[Sent]:
        """Publish all, and wait for their acknowledgements until the time is over."""
        server, until = self._server, time.monotonic() + seconds
        api = server.jetstream(seconds + nats_server.GRACE_SECONDS)
        tasks = [asyncio.ensure_future(self._publish_one(api, it)) for it in messages]
        all_ended = asyncio.gather(*tasks, return_exceptions=True)
        try:
            while (left := until - time.monotonic()) > 0 and not all_ended.done():
                denied = asyncio.ensure_future(server.was_denied.wait())
                awaited: set[asyncio.Future[Any]] = {all_ended, denied}
                await asyncio.wait(awaited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                denied.cancel()
                server.was_denied.clear()
                self._end_denied(messages, tasks)
        finally:
            for task in tasks:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [self._result(message, it) for message, it in zip(messages, results, strict=True)]

    async def _publish_one(self, api: Any, message: Message) -> bytes:
        headers, body = _content(self._connection, message)
        subject, stream = subject_of(self._connection, message), self._connection.settings.get("stream")
        ack = await api.publish(subject, body, headers=headers, stream=stream)
        is_duplicate = ", stored before" if ack.duplicate else ""
        return f"stream {ack.stream}, sequence {ack.seq}{is_duplicate}".encode()

    def _end_denied(self, messages: Sequence[Message], tasks: Sequence["asyncio.Future[bytes]"]) -> None:
        for message, task in zip(messages, tasks, strict=True):
            if not task.done() and self._is_denied(message):
                task.cancel()

    def _is_denied(self, message: Message) -> bool:
        return any(f'"{subject_of(self._connection, message)}"'.lower() in it.lower() for it in self._server.denied)

    def _result(self, message: Message, result: bytes | BaseException) -> Sent:
        if isinstance(result, bytes | SendFailed):
            return result
        if isinstance(result, asyncio.CancelledError):
            if self._is_denied(message):
                text = f"The user may not publish to {subject_of(self._connection, message)}."
                return SendFailed(Failure.ACCESS_DENIED, text, setting=SUBJECT)
            return SendFailed(Failure.TIMEOUT, "The stream has not acknowledged the message in time.")
        if isinstance(result, NoStreamResponseError):
            text = f"No stream has the subject {subject_of(self._connection, message)}, which {SUBJECT} names."
            return SendFailed(Failure.NOT_FOUND, text, setting=SUBJECT)
        return _failed(result)

    def close(self) -> None:
        self._server.close()


_MEANINGS = {
    10002: Failure.THROTTLED,  # the account has no resources left
    10023: Failure.THROTTLED,  # insufficient resources
    10047: Failure.THROTTLED,  # insufficient storage
    10077: Failure.THROTTLED,  # the stream is full, and discards what is new
    10054: Failure.TOO_LARGE,  # more than max_msg_size of the stream
    10060: Failure.NOT_FOUND,  # another stream has the subject
}


def _failed(error: BaseException) -> SendFailed:
    """Return what an error of the library means for one message."""
    if isinstance(error, MaxPayloadError):
        return SendFailed(Failure.TOO_LARGE, "The message is larger than the server accepts (max_payload).")
    if isinstance(error, BadSubjectError):
        return SendFailed(Failure.REFUSED, "The subject is not valid.", setting=SUBJECT)
    if isinstance(error, APIError):
        usual = Failure.REFUSED if error.code == 400 else Failure.UNAVAILABLE
        failure = _MEANINGS.get(error.err_code or 0, usual)
        setting = STREAM if failure is Failure.NOT_FOUND else ""
        return SendFailed(failure, f"JetStream reports: {error.description}.", setting=setting)
    return broker_failed(problem_of(error))
