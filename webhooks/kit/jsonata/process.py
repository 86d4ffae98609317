"""Run as a program of its own: read requests from the standard input, a socket, and reply to each.

Processor time is limited twice. A timer of the program's own time raises OutOfTime, after which the process goes on. A
second one, which counts the system's time for it too, ends the process if a single call into C does not return. Memory
is limited for the whole process, which ends after it was exceeded, since what is left may be too little for the next
request. The process opens no files, starts no others, and has no environment.
"""

import _strptime  # type: ignore[import-not-found]  # noqa: F401 (datetime imports it later, when no file may be opened)
import contextlib
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from webhooks.kit.jsonata.evaluation import Evaluation
from webhooks.kit.jsonata.frames import IDLE_SECONDS, MEMORY, READY, REPLY, REQUEST, Operation, Outcome, Reply

REPEAT_AFTER = 0.02  # seconds after which OutOfTime is raised again, if something has dropped it
HARD_FACTOR, HARD_MORE = 2.0, 0.05  # the second limit: this factor times the first, and these seconds
RECURSION = 3_000  # Python frames: about 300 levels of an expression


class OutOfTime(BaseException):
    """The processor time of a request is over. No ``Exception``, which the library catches."""


class Timers:
    """Limit the processor time of what runs within ``limited``."""

    def __init__(self) -> None:
        self._is_armed = False
        signal.signal(signal.SIGVTALRM, self._raise)  # SIGPROF keeps its default, the end of the process

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Raise OutOfTime after ``seconds`` of processor time; end the process some time later."""
        self._is_armed = True
        try:
            signal.setitimer(signal.ITIMER_PROF, HARD_FACTOR * seconds + HARD_MORE)
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, REPEAT_AFTER)
            yield
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_armed:
            raise OutOfTime


def main() -> None:
    """Serve requests until there are no more, or none for IDLE_SECONDS."""
    sys.setrecursionlimit(RECURSION)
    timers, evaluation = Timers(), Evaluation()
    channel = socket.socket(fileno=0)
    channel.settimeout(IDLE_SECONDS)
    set_limits()
    channel.sendall(READY)
    while (header := _received(channel, REQUEST.size)) is not None:
        operation, seconds, *lengths = REQUEST.unpack(header)
        parts = [_received(channel, length) or b"" for length in lengths]
        started = time.process_time()
        reply = _reply(timers, evaluation, Operation(operation), seconds, parts)
        spent = time.process_time() - started
        channel.sendall(REPLY.pack(reply.outcome.value, spent, len(reply.content)) + reply.content)
        if reply.outcome is Outcome.TOO_LARGE:
            return


def set_limits() -> None:
    """Limit the memory of this process, and forbid what an evaluation does not need."""
    used = _address_space()
    if used is not None:
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(kind, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, 1))  # the socket, which poll refuses with less


def _reply(timers: Timers, evaluation: Evaluation, operation: Operation, seconds: float, parts: list[bytes]) -> Reply:
    """Return the reply to a request, whatever happens."""
    owner, expression, document = parts
    try:
        with timers.limited(seconds):
            if operation is Operation.CHECK:
                return evaluation.check(expression.decode())
            return evaluation.evaluate(owner, expression.decode(), document)
    except OutOfTime:
        outcome = Outcome.TOO_LONG
    except MemoryError:
        outcome = Outcome.TOO_LARGE
    evaluation.forget()
    return Reply(outcome)


def _address_space() -> int | None:
    """Return how many bytes of memory this process has mapped; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return None
    return pages * resource.getpagesize()


def _received(channel: socket.socket, size: int) -> bytes | None:
    """Return ``size`` bytes; None if the other side has ended, or is idle."""
    parts: list[bytes] = []
    while size:
        try:
            part = channel.recv(min(size, 65_536))
        except (TimeoutError, ConnectionError):
            return None
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main()
