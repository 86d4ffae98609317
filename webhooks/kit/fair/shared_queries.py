"""Run queries of coroutines on the threads of requests; callers that need the same at one time share one query."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from webhooks.kit.fair.threads import request_threads

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedQueries(Generic[K, V]):
    """Run ``query`` for a key, once at a time. For coroutines of one event loop."""

    def __init__(self, query: Callable[[K], V]) -> None:
        self._query = query
        self._running: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, share: Hashable) -> V:
        """Return the result for a key, on behalf of ``share``. Raises ShareExceeded, and what the query raises."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(request_threads().run(share, lambda: self._query(key)))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)  # a caller that is cancelled does not cancel the query of others
