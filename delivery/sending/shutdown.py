"""Share one stop flag between a worker and its forked processes: SIGTERM sets it in the parent, drains read it."""

import multiprocessing
from multiprocessing.synchronize import Event


class _StopFlag:
    """Hold the flag of this worker. Processes that were forked before ``renew`` have another."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.event: Event = multiprocessing.get_context("fork").Event()


_flag = _StopFlag()


def renew_stop_flag() -> None:
    """Give this worker a stop flag of its own. Call it before the worker forks."""
    _flag.renew()


def request_stop() -> None:
    """Ask the drains of this worker to finish what is in flight and end."""
    _flag.event.set()


def is_stopping() -> bool:
    """Return whether the worker is being stopped."""
    return _flag.event.is_set()
