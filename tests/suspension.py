"""Run a request as our web server does: suspend it, and run it again when what it waits for is there."""

from collections.abc import Callable
from concurrent.futures import wait
from typing import TypeVar

from webhooks.kit.suspend import Awaited, Suspended, resumable

R = TypeVar("R")


def run_suspended(request: Callable[[], R], meanwhile: Callable[[], object] = lambda: None) -> tuple[R, int]:
    """Return the result of the request and how often it was suspended; call `meanwhile` each time it is."""
    awaited = Awaited()
    while True:
        try:
            with resumable(awaited):
                return request(), len(awaited.futures)
        except Suspended as suspended:
            meanwhile()
            wait([suspended.future])
            awaited.futures.append(suspended.future)
