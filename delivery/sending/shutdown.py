"""Share one stop flag between a worker and its forked processes: SIGTERM sets it in the parent, drains read it.

The flag is a pipe. The parent writes to it once; from then on the other end is readable in every process, so that a
drain which waits for notifications wakes up.
"""

import multiprocessing
import select


class _StopFlag:
    """Hold the pipe of this worker. Processes that were forked before ``renew`` have another."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.reader, self.writer = multiprocessing.Pipe(duplex=False)
        self._poll = select.poll()
        self._poll.register(self.reader, select.POLLIN)

    def is_set(self) -> bool:
        return bool(self._poll.poll(0))


_flag = _StopFlag()


def renew_stop_flag() -> None:
    """Give this worker a stop flag of its own. Call it before the worker forks."""
    _flag.renew()


def request_stop() -> None:
    """Ask the drains of this worker to finish what is in flight and end."""
    _flag.writer.send_bytes(b"stop")


def is_stopping() -> bool:
    """Return whether the worker is being stopped."""
    return _flag.is_set()


def stop_descriptor() -> int:
    """Return a descriptor that is readable once the worker is being stopped."""
    return _flag.reader.fileno()
