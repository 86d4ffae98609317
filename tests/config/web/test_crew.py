"""The crew at work: who waits for a flag holds nobody up, who waits otherwise holds up one thread."""

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
    """A crew beside a loop of its own: what puts work."""
    loop = asyncio.new_event_loop()
    runs = threading.Thread(target=loop.run_forever)
    runs.start()
    hands = Crew(threads, loop)
    try:
        yield lambda work: loop.call_soon_threadsafe(hands.put, work) and None
    finally:
        loop.call_soon_threadsafe(loop.stop)
        runs.join()
        loop.close()


class Waiter:
    """Work that waits for a flag; knows its thread before and after."""

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


def test_one_thread_has_many_under_way() -> None:
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


def test_each_goes_on_in_its_own_thread() -> None:
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


def test_a_flag_that_is_set_already_is_not_waited_for() -> None:
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


def test_who_blocks_holds_up_one_thread_and_the_last_one_all() -> None:
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


def test_no_more_are_begun_than_may_be_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_who_raises_ends_alone() -> None:
    waiter = Waiter()

    def leave() -> None:
        raise SystemExit

    with working(1) as put:
        put(waiter)
        put(leave)
        wait_until(lambda: waiter.waits, "the first to wait")
        waiter.flag.set()
        wait_until(lambda: waiter.is_over, "it to end")


def test_whoever_is_of_no_crew_waits_as_everybody() -> None:
    assert isinstance(new_flag(), threading.Event)


def test_nothing_is_lost_between_many_threads() -> None:
    """Flags are set from other threads at any moment, also before anybody waits for them."""
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
