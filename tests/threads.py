"""Run functions at the same time in threads with database connections of their own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from django.db import connection

from webhooks.kit.caches.refresher import Refresher


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Run these at the same time, and return what each returned or the exception it raised."""
    results: list[Any] = [None] * len(works)

    def run(index: int) -> None:
        try:
            results[index] = works[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class NoThreads:
    """Replace an executor when no thread is available."""

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        """Refuse the work, as ThreadPoolExecutor does."""
        raise RuntimeError("can't start new thread")


class ClosingThreads(ThreadPoolExecutor):
    """Close each work's connection: an open one would keep the test's database from being removed."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the work in a thread."""

        def run() -> Any:
            try:
                return work(*args, **kwargs)
            finally:
                connection.close()

        return super().submit(run)


class EndingRefresher(Refresher):
    """Refresh cached values as a process does, on a thread that ends, and closes its connection, after its work."""

    start_thread = Refresher.start_thread  # of which other tests have none

    def __init__(self) -> None:
        super().__init__(idle_seconds=0)

    def finish(self) -> None:
        """Return when all that was submitted is done."""
        for thread in threading.enumerate():
            if thread.name == "cache-refresh":
                thread.join()


class SynchronousWriters(ClosingThreads):
    """Wait for each work, too."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the work in a thread and return when it has ended."""
        future = super().submit(work, *args, **kwargs)
        wait([future])
        return future
