"""Suspend a request while it waits for the outside world, so that it holds no thread meanwhile.

A Django view that needs the result of a slow call (a lookup, an HTTP call) starts it as a future and calls
``wait_for``. Behind our web server that raises ``Suspended``: the thread is free, the server awaits the future in its
event loop, and then runs the same request again from its start. In the second run the same call returns the result,
or raises the exception of the future. A request may wait several times: results are told apart by their order.

So what precedes a call of ``wait_for`` runs again: it must do nothing that may not be repeated. A transaction around
it is rolled back. Where no server can resume the request (WSGI, commands, tests) the caller's thread waits.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


class Suspended(BaseException):  # no Exception: views and middleware must not make an error response of it
    """The request waits for ``future`` and is to be run again."""

    def __init__(self, future: "Future[Any]") -> None:
        super().__init__()
        self.future = future


@dataclass(slots=True)
class Awaited:
    """The futures that a request has waited for, in order, and how many of them this run has used."""

    futures: "list[Future[Any]]" = field(default_factory=list)
    used: int = 0


_awaited: ContextVar[Awaited | None] = ContextVar("awaited", default=None)


def wait_for(start: "Callable[[], Future[T]]") -> T:
    """Return the result of the future that ``start`` returns, or raise its exception; see above."""
    awaited = _awaited.get()
    if awaited is None:
        return start().result()
    if awaited.used < len(awaited.futures):
        future = awaited.futures[awaited.used]
        awaited.used += 1
        result: T = future.result()
        return result
    started = start()
    if started.done():
        awaited.futures.append(started)
        awaited.used += 1
        return started.result()
    raise Suspended(started)


@contextmanager
def resumable(awaited: Awaited) -> Iterator[None]:
    """Run a request, for the first time or again; the server adds the future of each Suspended to ``awaited``."""
    awaited.used = 0
    token = _awaited.set(awaited)
    try:
        yield
    finally:
        _awaited.reset(token)
