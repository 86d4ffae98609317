"""Send to destinations that have a client library: the transport of every ``SocketKind``.

Each endpoint has one connection with a thread (``connection``), opened with its first attempt, replaced when its
settings change, closed when it is idle. There are MOST_CONNECTIONS at most, of one tenant half of what is left to
everybody; attempts beyond wait for a place until their timeout.

The timeout of an attempt always ends it. A connection whose thread blocks beyond it is abandoned with its thread, and
another one takes its place. An endpoint with MOST_HUNG abandoned threads is not connected to until one of them ends,
and neither is any if there are MOST_ABANDONED in the process: its attempts end at once as timed out.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import cast
from uuid import UUID

from delivery import telemetry
from delivery.sql.claim import Claimed
from delivery.transports.in_flight import InFlight
from delivery.transports.message import message_of
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from delivery.transports.sockets.connection import EndpointConnection, Entry, Submitted
from delivery.transports.sockets.kind import SocketKind
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.endpoints.destinations.registry import find_kind
from subscriptions.routing.targets import DeliveryTarget
from webhooks.kit.fair.shares import Shares
from webhooks.kit.process.per_process import PerProcess

MOST_CONNECTIONS = 64  # of one transport, each with a thread
MOST_HUNG = 2  # abandoned threads of one endpoint
MOST_ABANDONED = 32  # abandoned threads of one process
GRACE = 0.25  # seconds beyond its timeout in which a library may end an attempt itself, and say why
HUNG = SendFailed(Failure.TIMEOUT, "Nothing was sent: earlier attempts still block. They end with their library.")
NO_PLACE = SendFailed(Failure.THROTTLED, "The tenant has as many connections as it may.", not_attempted=True)
LATE = SendFailed(Failure.TIMEOUT, "The destination has not acknowledged in time.")


class _Abandoned:
    """Count the abandoned threads of the process, by endpoint. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[UUID, int] = {}

    def add(self, endpoint_id: UUID, change: int) -> None:
        with self._lock:
            count = self._counts.pop(endpoint_id, 0) + change
            if count:  # below zero: the thread has ended just before it is counted
                self._counts[endpoint_id] = count

    def allow(self, endpoint_id: UUID) -> bool:
        """Return whether the endpoint may have another connection."""
        with self._lock:
            return self._counts.get(endpoint_id, 0) < MOST_HUNG and sum(self._counts.values()) < MOST_ABANDONED


_abandoned = PerProcess(_Abandoned)


def open_transport(clock: Callable[[], float]) -> "SocketTransport":
    """Open the transport; ``clock`` returns unix seconds."""
    return SocketTransport(clock)


class SocketTransport:
    """Send the attempts of one drain to destinations with a client library."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._connections: dict[UUID, EndpointConnection] = {}
        self._closing: set[EndpointConnection] = set()  # replaced or idle, with a thread that has not ended
        self._shares = Shares("connections", MOST_CONNECTIONS)
        self._in_flight: dict[UUID, Submitted] = {}  # by the id of the attempt, the oldest first
        self._unplaced: dict[UUID, list[Submitted]] = {}  # by endpoint: without a connection for now
        self._reports: list[tuple[EndpointConnection, Sequence[tuple[Submitted, Outcome]]]] = []
        self._closed: list[EndpointConnection] = []  # whose thread has ended
        self._lock = threading.Lock()  # of the two lists above
        self._ended: list[tuple[InFlight, Outcome]] = []
        self._next_deadline: float | None = None
        self._wake_up = WakeUp()

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Entry | NotSent:
        """Return the message and the kind that sends it."""
        if target.signer is None:
            return NotSent(Failure.UNSIGNED)
        if target.connection is None or claimed.is_unreadable:
            return NotSent(Failure.CREDENTIALS)
        kind = cast("SocketKind", find_kind(target.kind))
        entry = Entry(message_of(claimed, target.signer, now), target, kind)
        try:
            kind.check_message(target.connection, entry.message)
        except SendFailed as error:
            return NotSent(error.failure, rejected=True, detail=error.text)
        return entry

    def submit(self, attempts: Sequence[tuple[InFlight, Entry]]) -> None:
        """Hand these attempts to the connections of their endpoints. Their timeouts run from here."""
        started_at, started = self._clock(), time.monotonic()
        by_endpoint: dict[UUID, list[Submitted]] = {}
        for attempt, entry in attempts:
            deadline = started + entry.target.timeout_ms / 1000
            submitted = Submitted(attempt, entry, started_at, started, deadline)
            self._in_flight[attempt.attempt_id] = submitted
            by_endpoint.setdefault(entry.target.endpoint_id, []).append(submitted)
            self._next_deadline = min(deadline, self._next_deadline or deadline)
        for endpoint_id, submitted_ones in by_endpoint.items():
            self._place(endpoint_id, submitted_ones)

    def advance(self) -> None:
        """Collect what the threads have reported, end what is late, and place what waits for a connection."""
        self._wake_up.clear()
        with self._lock:
            reports, self._reports = self._reports, []
            closed, self._closed = self._closed, []
        for connection, ended in reports:
            if not connection.is_abandoned:
                self._ended += [(it.attempt, out) for it, out in ended if self._finish(it.attempt)]
        for connection in closed:
            self._on_thread_ended(connection)
        if not self._in_flight:
            self._next_deadline = None
        if self._next_deadline is not None and self._next_deadline + GRACE <= time.monotonic():
            self._end_late()
        if self._unplaced and closed:
            waiting, self._unplaced = self._unplaced, {}
            for endpoint_id, submitted in waiting.items():
                self._place(endpoint_id, submitted)

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def maintain(self) -> None:
        """Do nothing: this transport uses no database of ours."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when a thread has reported."""
        return self._wake_up.fileno()

    def seconds_to_timer(self) -> float | None:
        """Return after how many seconds an attempt may be late."""
        if self._ended:
            return 0.0
        if self._next_deadline is None:
            return None
        return max(0.0, self._next_deadline + GRACE - time.monotonic())

    def close(self) -> None:
        """Close the connections; what is in flight is abandoned. Threads end by themselves."""
        for connection in [*self._connections.values(), *self._closing]:
            _abandon(connection)
        self._wake_up.close()

    def _place(self, endpoint_id: UUID, submitted: list[Submitted]) -> None:
        """Hand attempts to the connection of their endpoint; open one, or replace one that has other settings."""
        entry = submitted[-1].entry
        connection = self._connections.get(endpoint_id)
        if connection is not None and connection.target.connection != entry.target.connection:
            self._retire(connection)
            connection = None
        if connection is not None and connection.add(submitted):
            return
        if connection is not None:
            self._retire(connection)
        if not _abandoned().allow(endpoint_id):
            for it in submitted:
                if self._finish(it.attempt):
                    self._ended.append((it.attempt, HUNG.outcome(it.started_at, 0)))
            return
        if not self._shares.take(entry.target.tenant_id):
            self._unplaced.setdefault(endpoint_id, []).extend(submitted)
            self._close_an_idle_one()
            return
        opened = self._connections[endpoint_id] = EndpointConnection(entry, self._report, self._on_closed)
        opened.add(submitted)

    def _retire(self, connection: EndpointConnection) -> None:
        """Let a connection send what it has, and close."""
        self._connections.pop(connection.target.endpoint_id, None)
        self._closing.add(connection)
        connection.close()

    def _close_an_idle_one(self) -> None:
        """Make a place: close the connection that has sent nothing for the longest time, if one is idle."""
        busy = {it.entry.target.endpoint_id for it in self._in_flight.values()}
        idle = next((it for key, it in self._connections.items() if key not in busy), None)
        if idle is not None:
            self._retire(idle)

    def _finish(self, attempt: InFlight) -> bool:
        """Return whether the attempt was still in flight; it is no more."""
        return self._in_flight.pop(attempt.attempt_id, None) is not None

    def _end_late(self) -> None:
        """End the attempts whose time is over, and abandon the connections that block them."""
        now = time.monotonic()
        late = [it for it in self._in_flight.values() if it.deadline + GRACE <= now]
        endpoints = {it.entry.target.endpoint_id for it in late}
        unplaced = {it.attempt.attempt_id for key in endpoints for it in self._unplaced.pop(key, ())}
        for it in late:
            del self._in_flight[it.attempt.attempt_id]
            failed = NO_PLACE if it.attempt.attempt_id in unplaced else LATE
            self._ended.append((it.attempt, failed.outcome(it.started_at, round((now - it.started) * 1000))))
        for endpoint_id in endpoints:
            self._abandon(endpoint_id)
        self._next_deadline = min((it.deadline for it in self._in_flight.values()), default=None)

    def _abandon(self, endpoint_id: UUID) -> None:
        """Abandon the connection of an endpoint; its attempts that have time left get another one."""
        blocked = [it for it in self._closing if it.target.endpoint_id == endpoint_id and not it.is_abandoned]
        if (current := self._connections.pop(endpoint_id, None)) is not None:
            blocked.append(current)
        for connection in blocked:
            self._closing.add(connection)
            _abandon(connection)
        left = [it for it in self._in_flight.values() if it.entry.target.endpoint_id == endpoint_id]
        if left and blocked:
            telemetry.connection_abandoned(endpoint_id)
            self._place(endpoint_id, left)

    def _report(self, connection: EndpointConnection, ended: Sequence[tuple[Submitted, Outcome]]) -> None:
        with self._lock:
            self._reports.append((connection, ended))
        self._wake_up.set()

    def _on_closed(self, connection: EndpointConnection) -> None:
        if connection.is_abandoned:
            _abandoned().add(connection.target.endpoint_id, -1)
        with self._lock:
            self._closed.append(connection)
        self._wake_up.set()

    def _on_thread_ended(self, connection: EndpointConnection) -> None:
        self._shares.release(connection.target.tenant_id)
        self._closing.discard(connection)
        if self._connections.get(connection.target.endpoint_id) is connection:
            del self._connections[connection.target.endpoint_id]


def _abandon(connection: EndpointConnection) -> None:
    if connection.abandon():
        _abandoned().add(connection.target.endpoint_id, 1)
