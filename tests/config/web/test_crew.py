"""Test the crew: waiting for a flag blocks no thread, waiting for anything else blocks one."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config.web import crew
from config.web.crew import Crew, Flag, new_flag
from tests.waiting import wait_until

Put = Callable[[Callable[[], Any]], None]


@contextmanager
def working(threads: int) -> Iterator[Put]:
    """Run a crew with its own event loop; yield the function that puts work."""
    loop = asyncio.new_event_loop()
    runs = threading.Thread(target=loop.run_forever)
    runs.start()
    crew_of_test = Crew(threads, loop)
    try:
        yield lambda work: loop.call_soon_threadsafe(crew_of_test.put, work) and None
    finally:
        loop.call_soon_threadsafe(loop.stop)
        runs.join()
        loop.close()


class Waiter:
    """Wait for a flag; record the thread before and after."""

    def __init__(self) -> None:
        self.flag: Any = None
        self.threads: list[int] = []

    def __call__(self) -> None:
        self.threads.append(threading.get_ident())
        self.flag = new_flag()
        self.flag.wait()
        self.threads.append(threading.get_ident())

    @property
    def waits(self) -> bool:
        return self.flag is not None

    @property
    def is_over(self) -> bool:
        return len(self.threads) == 2


def test_thread_has_many_requests_in_progress() -> None:
    waiters = [Waiter() for _ in range(100)]
    with working(1) as put:
        for waiter in waiters:
            put(waiter)
        wait_until(lambda: all(waiter.waits for waiter in waiters), "all to wait")
        assert not any(waiter.is_over for waiter in waiters)
        for waiter in reversed(waiters):
            waiter.flag.set()
            waiter.flag.set()  # again changes nothing
        wait_until(lambda: all(waiter.is_over for waiter in waiters), "all to end")


def test_work_continues_in_the_thread_that_began_it() -> None:
    waiters, held, beside = [Waiter() for _ in range(20)], threading.Event(), threading.Event()
    with working(3) as put:
        for waiter in waiters[:10]:
            put(waiter)
        put(held.wait)  # the others are begun by another thread
        for waiter in waiters[10:]:
            put(waiter)
        put(beside.set)
        assert beside.wait(60)
        for waiter in waiters[10:]:
            waiter.flag.set()
        wait_until(lambda: all(waiter.is_over for waiter in waiters[10:]), "those of the other thread")
        for waiter in waiters[:10]:
            waiter.flag.set()
        held.set()
        wait_until(lambda: all(waiter.is_over for waiter in waiters), "all to end")
    assert all(len(set(waiter.threads)) == 1 for waiter in waiters)
    assert len({waiter.threads[0] for waiter in waiters}) == 2


def test_wait_for_a_set_flag_returns_at_once() -> None:
    over = threading.Event()

    def work() -> None:
        flag = new_flag()
        assert isinstance(flag, Flag)
        flag.set()
        flag.wait()
        flag.set()
        over.set()

    with working(1) as put:
        put(work)
        assert over.wait(60)


def test_blocking_work_occupies_one_thread_and_the_last_thread_delays_all() -> None:
    held, done = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(2)]
    with working(3) as put:
        put(held[0].wait)
        put(held[1].wait)
        put(done[0].set)
        assert done[0].wait(60)
        put(held[2].wait)
        put(done[1].set)
        assert not done[1].wait(0.05)
        held[1].set()
        assert done[1].wait(60)
        for event in held:
            event.set()


def test_work_above_the_maximum_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "MOST", 2)
    waiters = [Waiter() for _ in range(3)]
    with working(2) as put:
        for waiter in waiters:
            put(waiter)
        wait_until(lambda: waiters[1].waits, "two to wait")
        assert not waiters[2].waits
        waiters[0].flag.set()
        wait_until(lambda: waiters[2].waits, "the third")
        waiters[1].flag.set()
        waiters[2].flag.set()
        wait_until(lambda: all(waiter.is_over for waiter in waiters), "all to end")


def test_work_that_raises_ends_no_other() -> None:
    waiter = Waiter()

    def leave() -> None:
        raise SystemExit

    with working(1) as put:
        put(waiter)
        put(leave)
        wait_until(lambda: waiter.waits, "the first to wait")
        waiter.flag.set()
        wait_until(lambda: waiter.is_over, "it to end")


def test_new_flag_outside_a_crew_is_a_threading_event() -> None:
    assert isinstance(new_flag(), threading.Event)


def test_work_of_many_threads_is_done_once() -> None:
    """Set flags from other threads at any moment, also before they are waited for."""
    ended: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            flag = new_flag()
            threading.Thread(target=flag.set).start()
            flag.wait()
        ended.append(number)

    with working(4) as put:
        for number in range(50):
            put(lambda number=number: work(number))
        wait_until(lambda: len(ended) == 50, "all to end")
    assert sorted(ended) == list(range(50))
