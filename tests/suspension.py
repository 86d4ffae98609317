"""Run a request as our web server does: suspend it, and run it again when what it waits for is there."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from webhooks.kit.suspend import Awaited, Suspended, resumable

R = TypeVar("R")


class _Futures(list["Future[Any]"]):
    """Suspend the request even if a future was done at once, so that a busy machine makes no other test."""

    def append(self, future: "Future[Any]") -> None:
        raise Suspended(future)


def run_suspended(request: Callable[[], R], meanwhile: Callable[[], object] = lambda: None) -> tuple[R, int]:
    """Return the result of the request and how often it was suspended; call `meanwhile` each time it is."""
    awaited = Awaited(_Futures())
    while True:
        try:
            with resumable(awaited):
                return request(), len(awaited.futures)
        except Suspended as suspended:
            meanwhile()
            wait([suspended.future])
            awaited.futures += [suspended.future]
