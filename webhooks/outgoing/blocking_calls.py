"""Call a blocking library on behalf of a request: on a thread of its own, with a deadline.

The libraries of brokers and databases block. The request is suspended meanwhile (``webhooks.kit.suspend``), and a
server that hangs costs a thread that ends with the library's own time limit. Until then it counts against the limits.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from threading import Thread, Timer
from typing import TypeVar

from webhooks.kit.fair.shares import Shares
from webhooks.kit.process.per_process import PerProcess
from webhooks.kit.suspend import wait_for
from webhooks.outgoing.errors import LimitReached

MAX_CALLS = 32  # in progress, per process: each has a thread
MAX_CALLS_OF_SHARE = 4  # of one tenant

T = TypeVar("T")

_shares = PerProcess(lambda: Shares("blocking calls", MAX_CALLS, most=MAX_CALLS_OF_SHARE))


class CallTimeout(Exception):
    """The call has not ended within its time. Its thread goes on until the library gives up."""


def run_blocking(work: Callable[[], T], share: Hashable, *, seconds: float) -> T:
    """Return what ``work`` returns, or raise its exception; ``work`` uses neither the database nor the request.

    No transaction should be open. Raises CallTimeout after ``seconds``, and LimitReached if the tenant (``share``) has
    too many calls in progress.
    """
    return wait_for(lambda: _start(work, share, seconds))


def _start(work: Callable[[], T], share: Hashable, seconds: float) -> "Future[T]":
    if not _shares().take(share):
        message = f"At most {MAX_CALLS_OF_SHARE} tests of settings run at once; wait for earlier ones."
        raise LimitReached("settings_tests", message)
    future: Future[T] = Future()
    timer = Timer(seconds, _fail, [future, CallTimeout()])
    timer.daemon = True

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            _fail(future, error)
        else:
            with suppress(InvalidStateError):
                future.set_result(result)
        finally:
            timer.cancel()
            _shares().release(share)

    Thread(target=run, name="blocking call", daemon=True).start()
    timer.start()
    return future


def _fail(future: "Future[T]", error: Exception) -> None:
    with suppress(InvalidStateError):  # it has ended
        future.set_exception(error)
