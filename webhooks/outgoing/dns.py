"""Resolve host names within a time limit.

`getaddrinfo` takes as long as the system's resolver (5 s per server and try, unless resolv.conf says otherwise) and
cannot be interrupted. So it runs in a thread of its own, which is abandoned when the time is over. Abandoned threads
are bounded: when MAX_LOOKUPS of them run, the next caller waits for one to end.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from time import monotonic

MAX_LOOKUPS = 16  # per process

_slots = BoundedSemaphore(MAX_LOOKUPS)


def system_resolve(host: str) -> list[str]:
    """Return all addresses of a name, each once, in the system's order of preference. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def resolve_within(host: str, *, seconds: float, resolve: Callable[[str], list[str]] = system_resolve) -> list[str]:
    """Return the result of `resolve` within this many seconds. Raises OSError; TimeoutError if it takes longer."""
    end = monotonic() + seconds
    slots = _slots
    if not slots.acquire(timeout=seconds):
        raise TimeoutError
    result: Future[list[str]] = Future()

    def work() -> None:
        try:
            result.set_result(resolve(host))
        except Exception as error:
            result.set_exception(error)
        finally:
            slots.release()

    Thread(target=work, name=f"look up {host}", daemon=True).start()
    return result.result(timeout=max(end - monotonic(), 0))
