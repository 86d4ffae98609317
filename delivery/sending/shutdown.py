"""Share one stop flag between a worker and its forked processes: SIGTERM sets it in the parent, drains read it."""

import multiprocessing

_stopping = multiprocessing.get_context("fork").Event()


def request_stop() -> None:
    """Ask the drains of this worker to finish what is in flight and end."""
    _stopping.set()


def is_stopping() -> bool:
    """Return whether the worker is being stopped."""
    return _stopping.is_set()
