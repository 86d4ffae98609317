"""Test that work runs on the thread that became free last, and on others only where it has to."""

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from tests.waiting import wait_until
from webhooks.kit.fair.recent_threads import RecentThreads


def run(threads: RecentThreads, work: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    threads.submit(lambda: future.set_result(work()))
    return future


def test_work_that_follows_other_work_runs_on_the_same_thread() -> None:
    threads = RecentThreads(4, "test")
    names = set()
    for _ in range(20):
        names.add(run(threads, threading.current_thread).result().name)
        wait_until(lambda: threads.idle() == 1, "the thread to be free")
    assert len(names) == 1


def test_thread_that_became_free_last_is_used_first() -> None:
    threads = RecentThreads(2, "test")
    go_on = [threading.Event(), threading.Event()]
    first = run(threads, lambda: (go_on[0].wait(), threading.current_thread().name))
    second = run(threads, lambda: (go_on[1].wait(), threading.current_thread().name))
    go_on[1].set()
    second.result()
    go_on[0].set()
    name = first.result()[1]
    wait_until(lambda: threads.idle() == 2, "both threads to be free")
    assert run(threads, lambda: threading.current_thread().name).result() == name


def test_work_beyond_the_threads_waits_and_runs_in_order() -> None:
    threads = RecentThreads(1, "test")
    go_on, done = threading.Event(), []
    futures = [run(threads, go_on.wait), *(run(threads, lambda n=n: done.append(n)) for n in range(5))]
    assert not done
    go_on.set()
    for future in futures:
        future.result()
    assert done == [0, 1, 2, 3, 4]


def test_thread_that_cannot_be_started_is_an_error_and_the_next_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = RecentThreads(1, "test")

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            run(threads, bool)
    assert run(threads, lambda: 7).result() == 7
