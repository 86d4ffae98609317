"""Ask the system for the addresses of a name, and wait no longer than one wants to.

`getaddrinfo` takes as long as the system's resolver likes (5 s per server and try, unless resolv.conf says
otherwise) and cannot be interrupted. So it runs in a thread of its own, which is left behind when the time is
over. What hangs is bounded: when MAX_LOOKUPS threads do, the next caller waits for one to end.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from time import monotonic

MAX_LOOKUPS = 16  # per process

_slots = BoundedSemaphore(MAX_LOOKUPS)


def system_resolve(host: str) -> list[str]:
    """All addresses the system knows for a name, each once, in its order of preference; raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def resolve_within(host: str, *, seconds: float, resolve: Callable[[str], list[str]] = system_resolve) -> list[str]:
    """What `resolve` answers if it does so in time; raises OSError, a TimeoutError if it does not."""
    end = monotonic() + seconds
    slots = _slots
    if not slots.acquire(timeout=seconds):
        raise TimeoutError
    answer: Future[list[str]] = Future()

    def work() -> None:
        try:
            answer.set_result(resolve(host))
        except Exception as error:
            answer.set_exception(error)
        finally:
            slots.release()

    Thread(target=work, name=f"look up {host}", daemon=True).start()
    return answer.result(timeout=max(end - monotonic(), 0))
