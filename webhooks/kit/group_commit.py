"""Write items in shared transactions (group commit): those added while one is being written share the next.

A commit costs the database about the same for one row as for ten, and a round trip costs more than the row. So a
writer, a thread with its own connection, writes for all callers that came while the last group was written. Each caller
has a future, which is done after the commit, as if the caller had written alone: a thread waits for it (``add``), a
coroutine of the web server awaits it (``submit``). There is no delay to collect a group: an item that finds no
write in progress is written at once. Items have a key (a tenant): only those of one key are written together, and
each key has at most one writer at a time.

Failure: a database connection error, that is every OperationalError or InterfaceError, fails every item of the group,
and each caller gets it; publishing retries a broken connection for 5 s first (``delivery.publishing.store``). Any
other error may be due to a single item, so the group is written again item by item, and each caller gets its own result
or error. Where no thread is available the caller writes. Failures after the commit (see ``Write``) are logged and
counted, not raised.

Used for publishing (``delivery.publishing.group_publish``) and for receipts (``webhooks.receiving.insert_receipt``).
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from django.core import mail
from django.db import Error, InterfaceError, OperationalError, connection

from webhooks.kit.fair.recent_threads import RecentThreads, Writers
from webhooks.kit.metrics.gathered import ITEMS, GatheredHistogram
from webhooks.kit.notify import DATABASE, after_commit_failed
from webhooks.kit.sql import force_index_plans

M = TypeVar("M")
R = TypeVar("R")
AfterCommit = list[Callable[[], None]]
Write = Callable[[Sequence[M], AfterCommit], Sequence[R]]
"""Write items of one key in one transaction and return one result for each, in order. What it appends to the list is
called after the commit, once the futures are done."""

_ITEMS = [("events",), ("receipts",), ("rejections",)]
COMMIT_SECONDS = GatheredHistogram(
    "waypost_group_commit_seconds",
    "Duration of a shared transaction, its statements included, by what it writes: events, receipts, rejections.",
    ["items"],
    series=_ITEMS,
)
COMMIT_ITEMS = GatheredHistogram(
    "waypost_group_commit_items",
    "Requests or messages that shared a transaction.",
    ["items"],
    bounds=ITEMS,
    series=_ITEMS,
)
CHECK_AFTER = 1.0  # seconds without a write, after which a writer checks that its connection is alive


class _Entry(NamedTuple, Generic[M, R]):
    """One item, and the future of its result."""

    item: M
    future: "Future[R]"


class _Queue(Generic[M, R]):
    """The entries of one key that wait, by owner; the first owner has the next turn."""

    def __init__(self) -> None:
        self._owners: OrderedDict[Hashable, deque[_Entry[M, R]]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, entry: _Entry[M, R], owner: Hashable) -> None:
        """Add an entry behind the others of its owner."""
        self._owners.setdefault(owner, deque()).append(entry)
        self._size += 1

    def take(self, most: int, weigh: Callable[[M], int]) -> list[_Entry[M, R]]:
        """Take entries of the owners in turns, up to this weight together, one at least."""
        taken: list[_Entry[M, R]] = []
        while self._owners:
            owner, entries = next(iter(self._owners.items()))
            most -= weigh(entries[0].item)
            if most < 0 and taken:
                break
            taken.append(entries.popleft())
            if entries:
                self._owners.move_to_end(owner)
            else:
                del self._owners[owner]
        self._size -= len(taken)
        return taken


class GroupCommit(Generic[M, R]):
    """Write items in groups of up to ``max_group`` of one key, counted by ``weigh``, with up to ``threads`` writers.

    ``items``: what they are, as a label of the metrics. The owners of the items of one key (``owner_of``) take turns,
    and so do the keys where there are more than writers: a flood of one delays others by a group or two.
    """

    def __init__(
        self,
        write: Write[M, R],
        *,
        items: str,
        threads: int,
        max_group: int,
        weigh: Callable[[M], int] = lambda _: 1,
        owner_of: Callable[[M], Hashable] = lambda _: None,
    ) -> None:
        self.writers: Writers = RecentThreads(threads, "group-commit")
        self._items = items
        self._threads = threads
        self._write = write
        self._weigh = weigh
        self._owner_of = owner_of
        self._max_group = max_group
        self._lock = threading.Lock()
        self._queues: dict[Hashable, _Queue[M, R]] = {}  # a key is present while a writer works on it
        self._thread = threading.local()

    def add(self, item: M, key: Hashable = None) -> R:
        """Return the result of writing this item, once it is committed. Raises what writing it raised."""
        return self.submit(item, key).result()

    def submit(self, item: M, key: Hashable = None) -> "Future[R]":
        """Return the future of the item's result, done once it is committed. Never blocks.

        Its callbacks run in the writer's thread, so they must be short.
        """
        future: Future[R] = Future()
        with self._lock:
            queue = self._queues.get(key)
            is_first = queue is None
            if queue is None:
                queue = self._queues[key] = _Queue()
            queue.append(_Entry(item, future), self._owner_of(item))
        if is_first:
            self._start_writer(key)
        return future

    def waiting(self) -> int:
        """Return how many items wait for the next group."""
        with self._lock:
            return sum(map(len, self._queues.values()))

    def keys_in_progress(self) -> int:
        """Return how many keys have items that wait or are being written."""
        return len(self._queues)

    def _start_writer(self, key: Hashable) -> None:
        try:
            self.writers.submit(self._write_queue_here, key)
        except RuntimeError:  # no thread is available, or the process is ending
            self._write_queue(key)

    def _write_queue_here(self, key: Hashable) -> None:
        """Write in a thread that has its own connection."""
        self._thread.is_writer = True
        self._write_queue(key)

    def _write_queue(self, key: Hashable) -> None:
        """Write groups until no item of this key is left, or until another key waits for this thread."""
        while group := self._next_group(key):
            self._prepare_connection()
            after_commit: AfterCommit = []
            for set_result in self._write_group(group, after_commit):
                set_result()
            _run(after_commit)
            if len(self._queues) > self._threads:
                self._start_writer(key)
                return
        if hasattr(mail, "outbox") and not connection.in_atomic_block:  # a test database is dropped without connections
            connection.close()

    def _next_group(self, key: Hashable) -> list[_Entry[M, R]]:
        """Take items that fit in one group, one at least. Removes the key if there is none."""
        with self._lock:
            group = self._queues[key].take(self._max_group, self._weigh)
            if not group:
                del self._queues[key]
            return group

    def _prepare_connection(self) -> None:
        """Close a connection that is broken or too old, as Django does between requests; have a new one plan by index.

        Writers look rows up by key, and a plan that suits a small table stays in use while the table grows.
        """
        now = time.monotonic()
        try:
            connection.close_if_unusable_or_obsolete()
            if now - getattr(self._thread, "written_at", 0.0) > CHECK_AFTER:
                connection.close_if_health_check_failed()
            opened = connection.connection
            if opened is not getattr(self._thread, "prepared", None) and hasattr(self._thread, "is_writer"):
                if opened is not None:
                    force_index_plans()
                self._thread.prepared = opened
        except Error:
            pass  # the write that follows raises it
        self._thread.written_at = now

    def _write_group(self, group: Sequence[_Entry[M, R]], after_commit: AfterCommit) -> list[Callable[[], None]]:
        """Return the calls that give each entry its result or its error.

        An error of one item is found by writing each alone.
        """
        calls: AfterCommit = []
        began = time.monotonic()
        try:
            results = self._write([entry.item for entry in group], calls)
        except (OperationalError, InterfaceError) as error:
            DATABASE.on_failure(error)
            return _failures(group, error)
        except Exception as error:
            if len(group) == 1:
                return _failures(group, error)
            return [call for entry in group for call in self._write_group([entry], after_commit)]
        except BaseException:
            return _failures(group, OperationalError("The writer was stopped."))
        DATABASE.on_success()
        COMMIT_SECONDS.observe(time.monotonic() - began, self._items)
        COMMIT_ITEMS.observe(len(group), self._items)
        after_commit += calls
        return [partial(entry.future.set_result, result) for entry, result in zip(group, results, strict=True)]


def _failures(group: Sequence[_Entry[M, R]], error: Exception) -> list[Callable[[], None]]:
    return [partial(entry.future.set_exception, error) for entry in group]


def _run(after_commit: AfterCommit) -> None:
    """Run what follows the commit. An exception would end the writer's loop with callers still queued."""
    for call in after_commit:
        try:
            call()
        except Exception as error:
            after_commit_failed(error)
