"""Functions run on threads in turns among their keys; one key never has all threads."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from webhooks.kit.fair.futures import await_future
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.fair.threads import QUEUED_PER_THREAD, FairThreads


class Blocking:
    """A function that waits until it is released, and records who started."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.go_on = threading.Event()

    def call(self, key: str) -> Callable[[], str]:
        def work() -> str:
            self.started.append(key)
            self.go_on.wait()
            return key

        return work


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_run_returns_the_result_and_raises_the_error() -> None:
    async def main() -> None:
        threads = FairThreads(2, "test")
        assert await threads.run("a", lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await threads.run("a", lambda: 1 // 0)

    asyncio.run(main())


def test_newcomer_starts_while_another_key_has_more_waiting_than_threads() -> None:
    async def main() -> None:
        threads, blocking = FairThreads(4, "test"), Blocking()
        flood = [asyncio.create_task(threads.run("flood", blocking.call("flood"))) for _ in range(20)]
        await until(lambda: len(blocking.started) == 2)
        assert await threads.run("other", lambda: "answered") == "answered"
        assert blocking.started == ["flood"] * 2
        blocking.go_on.set()
        assert await asyncio.gather(*flood) == ["flood"] * 20

    asyncio.run(main())


def test_waiting_keys_take_turns() -> None:
    async def main() -> None:
        threads, order = FairThreads(1, "test"), []
        blocking = Blocking()
        first = asyncio.create_task(threads.run("first", blocking.call("first")))
        await until(lambda: bool(blocking.started))
        rest = [
            asyncio.create_task(threads.run(key, lambda key=key: order.append(key)))
            for key in ("a", "a", "a", "b", "c", "b")
        ]
        await until(lambda: threads.waiting() == 6)
        blocking.go_on.set()
        await asyncio.gather(first, *rest)
        assert order == ["a", "b", "c", "a", "b", "a"]

    asyncio.run(main())


def test_full_queue_of_a_key_is_an_error_for_that_key_only() -> None:
    async def main() -> None:
        threads, blocking = FairThreads(2, "test"), Blocking()
        tasks: list[asyncio.Task[Any]] = []
        while True:
            task = asyncio.create_task(threads.run("flood", blocking.call("flood")))
            await asyncio.sleep(0)
            if task.done():
                with pytest.raises(ShareExceeded):
                    task.result()
                break
            tasks.append(task)
        assert len(tasks) == 1 + 2 * QUEUED_PER_THREAD // 2
        assert await threads.run("other", lambda: 1) == 1
        blocking.go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_cancelled_request_gives_its_thread_back() -> None:
    async def main() -> None:
        threads, blocking = FairThreads(1, "test"), Blocking()
        task = asyncio.create_task(threads.run("a", blocking.call("a")))
        await until(lambda: bool(blocking.started))
        task.cancel()
        blocking.go_on.set()
        assert await threads.run("a", lambda: "next") == "next"

    asyncio.run(main())


def test_await_future_returns_results_and_raises_errors_of_other_threads() -> None:
    async def main() -> None:
        futures: list[Future[int]] = [Future() for _ in range(100)]

        def complete() -> None:
            for number, future in enumerate(futures):
                if number % 2:
                    future.set_result(number)
                else:
                    future.set_exception(ValueError(number))

        awaiting = [asyncio.create_task(await_future(future)) for future in futures]
        await asyncio.sleep(0)
        threading.Thread(target=complete).start()
        results = await asyncio.gather(*awaiting, return_exceptions=True)
        assert [it if isinstance(it, int) else it.args[0] for it in results] == list(range(100))

    asyncio.run(main())
