"""Run functions on a bounded number of threads, in turns among the keys (tenants, addresses) that wait.

A key may run as many functions as there are free threads (``webhooks.kit.fair.shares``), so one that floods or is slow
never has all. Those beyond wait in a queue of their key; queues take turns. A queue is bounded by the same rule.

Each thread has its own database connection, which is closed when it is broken or too old, as Django does between
requests.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db import close_old_connections

from webhooks.kit.fair.shares import ShareExceeded, Shares
from webhooks.kit.process.per_process import PerProcess

R = TypeVar("R")

QUEUED_PER_THREAD = 64  # functions that may wait, for each thread


class FairThreads:
    """Run functions of one event loop on ``threads`` threads. Not for use by several loops."""

    def __init__(self, threads: int, name: str) -> None:
        self.executor: Executor = ThreadPoolExecutor(threads, name)
        self._running = Shares("requests at the same time", threads)
        self._queued = Shares("requests that wait for a thread", threads * QUEUED_PER_THREAD)
        self._queues: OrderedDict[Hashable, deque[_Call]] = OrderedDict()  # the first has the next turn

    async def run(self, key: Hashable, function: Callable[[], R]) -> R:
        """Return what the function returns or raise what it raises. Raises ShareExceeded if the queue is full."""
        loop = asyncio.get_running_loop()
        call = _Call(function, loop.create_future(), loop)
        if key in self._queues or not self._start(key, call):
            if not self._queued.take(key):
                raise ShareExceeded(self._queued.what)
            self._queues.setdefault(key, deque()).append(call)
        result: R = await call.done
        return result

    def waiting(self) -> int:
        """Return how many functions wait for a thread."""
        return self._queued.capacity - self._queued.free

    def _start(self, key: Hashable, call: "_Call") -> bool:
        """Start a call if the key may have another thread; return whether it was started."""
        if not self._running.take(key):
            return False
        self.executor.submit(call.work, lambda: self._ended(key))
        return True

    def _ended(self, key: Hashable) -> None:
        """Give the thread to the next key whose share allows it. In the loop."""
        self._running.release(key)
        for waiting in list(self._queues):
            if not self._running.free:
                return
            queue = self._queues[waiting]
            if not self._start(waiting, queue[0]):
                continue
            queue.popleft()
            self._queued.release(waiting)
            if queue:
                self._queues.move_to_end(waiting)
            else:
                del self._queues[waiting]


@dataclass(slots=True)
class _Call:
    """A function and the future of its result, which belongs to the loop."""

    function: Callable[[], Any]
    done: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop

    def work(self, ended: Callable[[], None]) -> None:
        """Call the function. In a thread."""
        result, error = None, None
        try:
            close_old_connections()
            result = self.function()
        except BaseException as raised:  # a suspended request is none of Exception
            error = raised
        try:
            self.loop.call_soon_threadsafe(self._finish, ended, result, error)
        except RuntimeError:  # the loop is closed: the process is ending
            pass

    def _finish(self, ended: Callable[[], None], result: Any, error: BaseException | None) -> None:
        ended()
        if self.done.done():  # it is if the request was cancelled
            return
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)


request_threads = PerProcess(lambda: FairThreads(settings.WAYPOST_WEB_THREADS, "request"))
"""The threads of this process that requests run on: those of Django's views, and queries of native views."""
