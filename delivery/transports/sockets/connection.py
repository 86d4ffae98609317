"""Send the messages of one endpoint on a thread that has its connection.

The thread opens the connection when there is something to send, keeps it while there is work, and closes it and ends
after IDLE_SECONDS without any. An attempt whose time is over is ended by the transport,
and a thread that still blocks then is abandoned. It ends by itself as soon as its library returns.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from delivery import telemetry
from delivery.transports.in_flight import InFlight
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from delivery.transports.sockets.kind import CONNECT_SECONDS, Sent, SocketClient, SocketKind, failure_of
from subscriptions.routing.targets import DeliveryTarget

IDLE_SECONDS = 20.0  # after which a connection that sends nothing is closed
SHORTEST_TIMEOUT = 0.05  # seconds


class Entry(NamedTuple):
    """Hold one message that was prepared, with the kind that sends it."""

    message: Message
    target: DeliveryTarget
    kind: SocketKind


class Submitted(NamedTuple):
    """Hold an attempt in flight: started in unix and in monotonic seconds, with a deadline in the latter."""

    attempt: InFlight
    entry: Entry
    started_at: float
    started: float
    deadline: float


Report = Callable[["EndpointConnection", Sequence[tuple[Submitted, Outcome]]], None]


class EndpointConnection:
    """Own the connection of one endpoint, and the thread that uses it.

    ``report`` is called in the thread with what has ended; ``on_closed`` when the thread ends.
    """

    def __init__(self, entry: Entry, report: Report, on_closed: Callable[["EndpointConnection"], None]) -> None:
        self.target, self.kind = entry.target, entry.kind
        self.is_abandoned = False
        self._report = report
        self._on_closed = on_closed
        self._waiting: deque[Submitted] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._has_ended = False
        self._client: SocketClient | None = None
        name = f"{self.kind.name} {self.target.endpoint_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, submitted: Sequence[Submitted]) -> bool:
        """Hand over attempts; return False if the thread is about to end: then they need another connection."""
        with self._changed:
            if self._is_closing:
                return False
            self._waiting.extend(submitted)
            self._changed.notify()
            return True

    def close(self) -> None:
        """Have the thread close the connection and end, after what it sends now."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def abandon(self) -> bool:
        """Drop what waits, and have the thread end when its library returns; what it reports does not count.

        Return whether the thread has not ended yet: then ``on_closed`` is called later.
        """
        with self._changed:
            self.is_abandoned = self._is_closing = True
            self._waiting.clear()
            self._changed.notify()
            return not self._has_ended

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                ended = self._send(batch)
                if not self.is_abandoned:
                    self._report(self, ended)
        finally:
            self._disconnect()
            with self._changed:
                self._has_ended = True
            self._on_closed(self)

    def _next_batch(self) -> list[Submitted]:
        """Return what to send next, in the order of submission; empty: the thread is to end."""
        with self._changed:
            if not self._waiting and not self._is_closing:
                self._changed.wait(IDLE_SECONDS)
            if not self._waiting:
                self._is_closing = True
                return []
            batch, size = [self._waiting.popleft()], 0
            while self._waiting and len(batch) < self.kind.max_entries:
                size += len(batch[-1].entry.message.body)
                if size + len(self._waiting[0].entry.message.body) > self.kind.max_bytes:
                    break
                batch.append(self._waiting.popleft())
            return batch

    def _send(self, batch: list[Submitted]) -> list[tuple[Submitted, Outcome]]:
        try:
            sent = self._sent(batch)
        except Exception as error:
            failed = failure_of(error)
            if failed.failure is Failure.INTERNAL:
                telemetry.not_sent(batch[0].attempt.claimed.id, error)
            if not failed.connection_is_usable:
                self._disconnect()
            sent = [failed] * len(batch)
        ended = time.monotonic()
        return [(it, _outcome(it, result, ended)) for it, result in zip(batch, sent, strict=True)]

    def _sent(self, batch: list[Submitted]) -> Sequence[Sent]:
        deadline = min(it.deadline for it in batch)
        if self._client is None:
            connection = self.target.connection
            if connection is None:
                raise SendFailed(Failure.CREDENTIALS)
            self._client = self.kind.connect(connection, min(CONNECT_SECONDS, _left(deadline)))
        return self._client.send([it.entry.message for it in batch], _left(deadline))

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # it may be broken in any way
                client.close()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), SHORTEST_TIMEOUT)


def _outcome(it: Submitted, result: Sent, ended: float) -> Outcome:
    duration_ms = round((ended - it.started) * 1000)
    if isinstance(result, SendFailed):
        return result.outcome(it.started_at, duration_ms)
    return Outcome(it.started_at, duration_ms, response=result)
