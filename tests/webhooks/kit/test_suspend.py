"""A suspended request runs again, with the results of the futures that it waited for."""

from concurrent.futures import Future

import pytest

from webhooks.kit.suspend import Awaited, Suspended, resumable, wait_for


def done(value: object) -> "Future[object]":
    future: Future[object] = Future()
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future


def test_wait_for_outside_a_server_waits_in_the_thread() -> None:
    assert wait_for(lambda: done(7)) == 7


def test_wait_for_of_a_pending_future_suspends_and_the_next_run_gets_its_result() -> None:
    awaited, started = Awaited(), []

    def start() -> "Future[object]":
        started.append(Future[object]())
        return started[-1]

    with pytest.raises(Suspended) as suspended, resumable(awaited):
        wait_for(start)
    suspended.value.future.set_result("found")
    awaited.futures.append(suspended.value.future)
    with resumable(awaited):
        assert wait_for(start) == "found"
    assert len(started) == 1


def test_wait_for_raises_the_exception_of_the_future_in_every_run() -> None:
    awaited = Awaited(futures=[done(ValueError("refused"))])
    for _ in range(2):
        with resumable(awaited), pytest.raises(ValueError, match="refused"):
            wait_for(lambda: done("unused"))


def test_several_waits_of_a_request_get_their_results_in_order() -> None:
    awaited, pending = Awaited(), Future[object]()

    def request() -> tuple[object, object]:
        return wait_for(lambda: done("first")), wait_for(lambda: pending)

    with pytest.raises(Suspended) as suspended, resumable(awaited):
        request()
    pending.set_result("second")
    awaited.futures.append(suspended.value.future)
    with resumable(awaited):
        assert request() == ("first", "second")


def test_suspended_is_no_exception_that_views_catch() -> None:
    assert not issubclass(Suspended, Exception)
