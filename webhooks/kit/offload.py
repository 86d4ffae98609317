"""Wait for other threads: the flag that a waiting request uses, and a thread pool for work that may take seconds.

The web server runs several requests on one thread (``config.web.crew``) and switches to another request where one
waits for a flag. It sets ``new_flag`` to its own kind of flag; everywhere else a flag is a ``threading.Event``.

Failure: what the work raises is raised to the caller. Where no thread is available the caller does the work itself.

Used by the group commit, and by the receiver for calls to a sender's servers (keys, subscription confirmations).
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol, TypeVar

R = TypeVar("R")


class Flag(Protocol):
    """Describe what a request waits with: the part of ``threading.Event`` that is needed."""

    def set(self) -> None:
        """Release the thread that waits, now or later."""

    def wait(self) -> object:
        """Wait until the flag is set."""


new_flag: Callable[[], Flag] = threading.Event  # replaced by a server that has its own kind, see above
threads: Executor = ThreadPoolExecutor(8, "offload")


def offload(work: Callable[[], R]) -> R:
    """Return what ``work`` returns, run by another thread, so that this thread can serve other requests meanwhile."""
    flag = new_flag()

    def run() -> R:
        try:
            return work()
        finally:
            flag.set()

    try:
        done = threads.submit(run)
    except RuntimeError:  # no thread is available, or the process is ending
        return work()
    flag.wait()
    return done.result()
