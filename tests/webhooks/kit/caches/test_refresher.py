"""Test the background thread that loads cached values again: it survives failures, and ends when it is not used."""

import threading

import pytest
from django.db import OperationalError, connection

from tests.threads import EndingRefresher
from webhooks.kit.caches import refresher as module


def test_failure_of_one_load_does_not_stop_the_next() -> None:
    refresher, loaded, go_on = EndingRefresher(), [], threading.Event()

    def fail() -> None:
        go_on.wait()
        raise OperationalError("the connection is lost")

    refresher.submit(fail)
    refresher.submit(lambda: loaded.append(1))
    go_on.set()
    refresher.finish()
    assert loaded == [1]


@pytest.mark.django_db(transaction=True)
def test_thread_without_work_ends_without_a_connection_and_the_next_work_starts_another() -> None:
    refresher, used = EndingRefresher(), []

    def load() -> None:
        connection.ensure_connection()
        used.append((threading.get_native_id(), connection.connection))

    for _ in range(2):
        refresher.submit(load)
        refresher.finish()
    (first, old), (second, new) = used
    assert old is not new
    assert old.closed
    assert new.closed
    assert {first, second}.isdisjoint({threading.get_native_id()})


def test_thread_that_cannot_be_started_calls_nothing_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refresher, loaded = EndingRefresher(), []

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        refresher.submit(lambda: loaded.append(1))
    refresher.submit(lambda: loaded.append(2))
    refresher.finish()
    assert loaded == [2]


def test_loads_beyond_the_number_that_may_wait_are_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    refresher, loaded, started, go_on = EndingRefresher(), [], threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        go_on.wait()

    refresher.submit(hold)
    started.wait()
    for number in range(5):
        refresher.submit(lambda number=number: loaded.append(number))
    go_on.set()
    refresher.finish()
    assert loaded == [0, 1]
