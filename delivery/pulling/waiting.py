"""Wait for messages without a thread for each consumer: one thread of a process listens for all of them.

It listens on the channel on which publishing notifies the drains, by a connection of its own, as long as a consumer
waits and for a while after. A notification that is lost costs FALLBACK seconds.
"""

import heapq
import itertools
import select
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import closing
from uuid import UUID

from delivery.sql.due import CHANNEL, MISSED, read_notification
from delivery.transports.wake_up import WakeUp
from webhooks.kit.notify import Listener
from webhooks.kit.process.per_process import PerProcess

FALLBACK = 5.0  # seconds after which a consumer looks again in any case
RECONNECT_EVERY = 1.0  # seconds, while the database is away
IDLE_FOR = 30.0  # seconds without a waiting consumer after which the thread ends and its connection is closed

Waiter = Future[None]


class Waiters:
    """Hold the consumers of one process that wait, by endpoint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_endpoint: dict[UUID, set[Waiter]] = {}
        self._deadlines: list[tuple[float, int, UUID, Waiter]] = []
        self._numbers = itertools.count()
        self._wake_up: WakeUp | None = None  # of the thread, while it runs

    def wait(self, endpoint_id: UUID, seconds: float) -> Waiter:
        """Return a future that ends when the endpoint may have messages, after ``seconds`` at the latest.

        Look for messages after this call, and then wait: so none is missed that is published in between.
        """
        waiter: Waiter = Future()
        with self._lock:
            self._by_endpoint.setdefault(endpoint_id, set()).add(waiter)
            deadline = (time.monotonic() + seconds, next(self._numbers), endpoint_id, waiter)
            heapq.heappush(self._deadlines, deadline)
            is_first = self._deadlines[0] is deadline
            if self._wake_up is None:
                self._wake_up = WakeUp()
                threading.Thread(target=self._run, args=(self._wake_up,), name="consumers", daemon=True).start()
            elif is_first:
                self._wake_up.set()
        return waiter

    def waiting(self) -> int:
        """Return how many consumers wait."""
        with self._lock:
            return sum(map(len, self._by_endpoint.values()))

    def _run(self, wake_up: WakeUp) -> None:
        with closing(Listener(CHANNEL, missed=MISSED)) as listener:
            self._end(self._pop_all())  # what was published before it listened was not notified
            idle_since = time.monotonic()
            while True:
                self._end(self._pop_late())
                with self._lock:
                    now = time.monotonic()
                    idle_since = now if self._by_endpoint else idle_since
                    if now - idle_since > IDLE_FOR:
                        self._wake_up = None
                        break
                    until = min(self._deadlines[0][0] if self._deadlines else now + IDLE_FOR, idle_since + IDLE_FOR)
                self._poll(listener, wake_up, max(until - now, 0.0))
                self._receive(listener)
        wake_up.close()

    def _poll(self, listener: Listener, wake_up: WakeUp, seconds: float) -> None:
        poll = select.poll()
        poll.register(wake_up, select.POLLIN)
        if listener.fileno() >= 0:
            poll.register(listener, select.POLLIN)
        else:
            seconds = min(seconds, RECONNECT_EVERY)
        poll.poll(seconds * 1000)
        wake_up.clear()

    def _receive(self, listener: Listener) -> None:
        for notification in map(read_notification, listener.received()):
            if notification.claimed:
                continue
            ended = self._pop(notification.endpoints) if notification.endpoints else self._pop_all()
            self._end(ended)

    def _pop(self, endpoint_ids: Iterable[UUID]) -> list[Waiter]:
        with self._lock:
            return [waiter for key in endpoint_ids for waiter in self._by_endpoint.pop(key, ())]

    def _pop_all(self) -> list[Waiter]:
        with self._lock:
            found = [waiter for waiters in self._by_endpoint.values() for waiter in waiters]
            self._by_endpoint.clear()
            self._deadlines.clear()
            return found

    def _pop_late(self) -> list[Waiter]:
        """Take those whose time is over out, and the deadlines of those that have ended before."""
        now, late = time.monotonic(), []
        with self._lock:
            while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][3].done()):
                _, _, key, waiter = heapq.heappop(self._deadlines)
                late.append(waiter)
                if (waiters := self._by_endpoint.get(key)) is not None:
                    waiters.discard(waiter)
                    if not waiters:
                        del self._by_endpoint[key]
        return late

    @staticmethod
    def _end(waiters: Iterable[Waiter]) -> None:
        for waiter in waiters:
            if not waiter.done() and waiter.set_running_or_notify_cancel():
                waiter.set_result(None)


waiters = PerProcess(Waiters)
