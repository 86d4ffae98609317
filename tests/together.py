"""Several connections at work at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from django.db import connection


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """What each of these came to, run at the same time on connections of their own."""
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


class NoWriters:
    """What calls for a writer where no thread can be had."""

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        raise RuntimeError("can't start new thread")


class BriefWriters(ThreadPoolExecutor):
    """Writers whom everybody who calls one waits for. Their connections do not outlive the test: nobody could remove
    its database."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def brief() -> Any:
            try:
                return work(*args, **kwargs)
            finally:
                connection.close()

        future = super().submit(brief)
        wait([future])
        return future
