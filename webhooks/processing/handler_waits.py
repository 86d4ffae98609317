"""Wait for the handlers of receipts, with one thread and one statement for all requests of a process that wait.

``wait_for_handlers`` returns a future. The worker notifies in the transaction that records the result
(``notify.notify_waiters``), so the notification arrives on every machine after that commit and never without it. One
thread listens and completes the futures. It reads the rows of new waits once, since their handlers may have finished
before, and of all waits every ``POLL_EVERY`` seconds and after a lost connection, so a lost notification costs a
second at most.

A wait occupies neither a request thread nor a connection. How many of one source and one tenant wait in a process is
limited (WAYPOST_HANDLER_WAITS); beyond the limit the state is ``pending`` at once.

States: ``processed``; ``dead``; ``pending`` if the handlers failed and are retried, or when the time is over.
"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Hashable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from selectors import EVENT_READ, PollSelector
from uuid import UUID

from django.conf import settings
from django.db import Error, connection

from webhooks import metrics
from webhooks.kit import sql
from webhooks.kit.notify import Listener
from webhooks.kit.process.per_process import PerProcess
from webhooks.processing.notify import HANDLED_CHANNEL, read_states

POLL_EVERY = 1.0  # seconds between two looks at the rows of all waits
RECONNECT_EVERY = 0.2  # seconds, while the listener has no connection
IDLE_SECONDS = 30.0  # without a wait, after which the thread and its two connections end
PER_TENANT = 2  # times the limit of a source
MISSED = "missed"  # payload of the listener after a lost connection

# A receipt that a handler deleted is not returned, and counts as processed.
_READ = """
    SELECT id, CASE WHEN due_at IS NOT NULL THEN 'pending' WHEN dead_at IS NOT NULL THEN 'dead' ELSE 'processed' END,
        due_at IS NULL OR attempts > 0
    FROM webhooks_receipt WHERE id = ANY(%(ids)s::uuid[])
"""


def wait_for_handlers(
    receipt_id: UUID, source_id: UUID, seconds: float, *, tenant_id: UUID | None = None
) -> Future[str]:
    """Return a future of the receipt's state, completed when its handlers finished or failed, or after ``seconds``.

    Call it once the receipt is committed. Never blocks, and the future never fails.
    """
    owners = (source_id,) if tenant_id is None else (source_id, ("tenant", tenant_id))
    return _waits().add(receipt_id, owners, seconds)


def stop_waits() -> None:
    """Complete all waits of this process with ``pending``, and end the thread and its connections."""
    _waits().stop()


@dataclass(slots=True)
class _Wait:
    receipt_id: UUID
    owners: tuple[Hashable, ...]
    ends_at: float
    future: Future[str] = field(default_factory=Future)

    def complete(self, state: str) -> None:
        try:
            self.future.set_result(state)
        except InvalidStateError:  # the caller cancelled it
            pass


class HandlerWaits:
    """The waits of this process, by receipt, and the thread that completes them while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[UUID, _Wait] = {}
        self._unread: set[UUID] = set()  # waits whose rows have not been read yet
        self._by_owner: Counter[Hashable] = Counter()
        self._thread: threading.Thread | None = None  # present while it runs
        self._is_stopping = False
        self._wake: socket.socket | None = None  # a byte sent here wakes the thread; present while it runs

    def add(self, receipt_id: UUID, owners: tuple[Hashable, ...], seconds: float) -> Future[str]:
        """Return the future of a new wait, completed with ``pending`` if an owner has too many. See above."""
        wait = _Wait(receipt_id, owners, time.monotonic() + seconds)
        with self._lock:
            if self._is_stopping or not self._has_room(owners) or not self._ensure_thread():
                metrics.count_wait("refused")
                wait.complete("pending")
                return wait.future
            self._waits[receipt_id] = wait
            self._unread.add(receipt_id)
            self._by_owner.update(owners)
        wait.future.add_done_callback(lambda _: self._remove(wait))
        self._wake_thread()
        return wait.future

    def stop(self) -> None:
        """Complete all waits with ``pending``, and end the thread. A later wait starts another."""
        with self._lock:
            thread, waits = self._thread, list(self._waits.values())
            self._is_stopping = True
        for wait in waits:
            wait.complete("pending")
        if thread is not None:
            self._wake_thread()
            thread.join()
        self._is_stopping = False

    def __len__(self) -> int:
        """Return the number of waits."""
        return len(self._waits)

    def _has_room(self, owners: tuple[Hashable, ...]) -> bool:
        limit = settings.WAYPOST_HANDLER_WAITS
        limits = (limit, limit * PER_TENANT)
        return all(self._by_owner[owner] < most for owner, most in zip(owners, limits, strict=False))

    def _ensure_thread(self) -> bool:
        """Start the thread unless it runs; return whether it does. Call with the lock."""
        if self._thread is not None:
            return True
        wakes, wake = socket.socketpair()
        wakes.setblocking(False)
        wake.setblocking(False)
        thread = threading.Thread(target=self._run, args=(wakes, wake), name="handler-waits", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is available, or the process is ending
            wakes.close()
            wake.close()
            return False
        self._thread, self._wake = thread, wake
        return True

    def _remove(self, wait: _Wait) -> None:
        """Forget a wait that is completed or cancelled."""
        with self._lock:
            if self._waits.pop(wait.receipt_id, None) is None:
                return
            self._unread.discard(wait.receipt_id)
            self._by_owner.subtract(wait.owners)
            for owner in wait.owners:
                if not self._by_owner[owner]:
                    del self._by_owner[owner]

    def _wake_thread(self) -> None:
        with self._lock:
            try:
                if self._wake is not None:
                    self._wake.send(b"1")
            except BlockingIOError:  # it has been woken and has not run yet
                pass

    def _run(self, wakes: socket.socket, wake: socket.socket) -> None:
        """Complete waits until there was none for IDLE_SECONDS."""
        listener = Listener(HANDLED_CHANNEL, missed=MISSED)
        poll_at, idle_since = 0.0, time.monotonic()
        try:
            while True:
                payloads = listener.received()
                self._complete({key: state for payload in payloads for key, state in read_states(payload)}, "notified")
                is_poll = MISSED in payloads or time.monotonic() >= poll_at
                if is_poll:
                    poll_at = time.monotonic() + POLL_EVERY
                self._read(everything=is_poll)
                self._expire()
                if self._waits:
                    idle_since = time.monotonic()
                elif (self._is_stopping or time.monotonic() - idle_since > IDLE_SECONDS) and self._try_end():
                    return
                self._sleep(listener, wakes, poll_at)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():  # an error has ended it: the next wait starts another
                    self._thread = self._wake = None
            wakes.close()
            wake.close()
            listener.close()
            connection.close()

    def _try_end(self) -> bool:
        """Note that the thread ends, unless a wait has come; return whether it does."""
        with self._lock:
            if self._waits:
                return False
            self._thread = self._wake = None
            return True

    def _sleep(self, listener: Listener, wakes: socket.socket, until: float) -> None:
        """Wait for a notification, a new wait, or the next poll or expiry."""
        with self._lock:
            if self._unread and listener.fileno() >= 0:
                return
            until = min([until, *(wait.ends_at for wait in self._waits.values())])
        files: list[socket.socket | Listener] = [wakes]
        if listener.fileno() >= 0:
            files.append(listener)
        else:
            until = min(until, time.monotonic() + RECONNECT_EVERY)
        with PollSelector() as selector:  # takes file descriptors beyond 1,023, as a busy web process has
            for file in files:
                selector.register(file, EVENT_READ)
            selector.select(max(0.0, until - time.monotonic()))
        try:
            wakes.recv(4096)
        except BlockingIOError:
            pass

    def _read(self, *, everything: bool) -> None:
        """Complete waits by their rows: all of them, or those whose rows have not been read."""
        with self._lock:
            ids = list(self._waits if everything else self._unread)
            self._unread.difference_update(ids)
        if not ids:
            return
        try:
            connection.close_if_unusable_or_obsolete()
            rows = sql.run(_READ, {"ids": ids})
        except Error:
            connection.close()
            return  # the next poll reads them
        pending = {id for id, _, has_result in rows if not has_result}
        states = {id: state for id, state, _ in rows}
        self._complete({id: states.get(id, "processed") for id in ids if id not in pending}, "read")

    def _expire(self) -> None:
        now = time.monotonic()
        with self._lock:
            over = [wait.receipt_id for wait in self._waits.values() if wait.ends_at <= now]
        self._complete(dict.fromkeys(over, "pending"), "timeout")

    def _complete(self, states: dict[UUID, str], how: str) -> None:
        with self._lock:
            ended = [(self._waits[key], state) for key, state in states.items() if key in self._waits]
        for wait, state in ended:
            wait.complete(state)  # calls _remove
            metrics.count_wait(how)


_waits = PerProcess(HandlerWaits)
