"""Call the other system of a source on behalf of a request: on a thread of its own, with a deadline.

The libraries of other systems block. The request is suspended meanwhile (``webhooks.kit.suspend``), and a system that
hangs costs a thread that ends with the library's own time limit.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from threading import Thread, Timer
from typing import TypeVar

from webhooks.kit.fair.shares import Shares
from webhooks.kit.process.per_process import PerProcess
from webhooks.kit.suspend import wait_for
from webhooks.outgoing.errors import CallFailed, LimitReached
from webhooks.sources.kinds.kind import Connection, InvalidSettings, Kind, Sample, SourceUnavailable, unexpected
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

TEST_SECONDS = 6.0  # of a test; kinds connect within five
MAX_CALLS = 32  # in progress, per process: each has a thread
MAX_CALLS_OF_OWNER = 4  # of a tenant, or of a source that no tenant owns

T = TypeVar("T")

_shares = PerProcess(lambda: Shares("calls of other systems", MAX_CALLS, most=MAX_CALLS_OF_OWNER))


def test_settings(kind: Kind, connection: Connection) -> Sample:
    """Connect with settings and say what was found. Raises SourceUnavailable, InvalidSettings, LimitReached."""
    return ask(lambda: kind.test(connection), connection.share, seconds=TEST_SECONDS)


def ask(work: Callable[[], T], share: Hashable, *, seconds: float) -> T:
    """Return what ``work`` returns; what it calls uses neither the database nor the request.

    No transaction should be open. Raises SourceUnavailable, also for what the library raises and after the time,
    InvalidSettings, and LimitReached if the owner (``share``) has too many calls in progress.
    """
    return wait_for(lambda: _start(work, share, seconds))


def _start(work: Callable[[], T], share: Hashable, seconds: float) -> "Future[T]":
    if not _shares().take(share):
        message = f"At most {MAX_CALLS_OF_OWNER} tests of settings run at once; wait for earlier ones."
        raise LimitReached("source_tests", message)
    future: Future[T] = Future()
    timer = Timer(seconds, _fail, [future, SourceUnavailable(f"No response within {seconds:g} s.")])
    timer.daemon = True

    def run() -> None:
        try:
            result = work()
        except (SourceUnavailable, InvalidSettings, LimitReached) as error:
            _fail(future, error)
        except (ForbiddenAddress, CallFailed) as error:
            _fail(future, SourceUnavailable(str(error)))
        except Exception as error:
            _fail(future, unexpected(error))
        else:
            with suppress(InvalidStateError):
                future.set_result(result)
        finally:
            timer.cancel()
            _shares().release(share)

    Thread(target=run, name="call of another system", daemon=True).start()
    timer.start()
    return future


def _fail(future: "Future[T]", error: Exception) -> None:
    with suppress(InvalidStateError):  # it has ended
        future.set_exception(error)
