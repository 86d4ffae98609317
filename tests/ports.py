"""Choose ports for the servers of tests.

They are below the range the system uses for outgoing connections, so that no connection of another test takes a port
before its server starts; each process of the suite has its own part of the range.

A port stays that of the process which chose it until the process ends. So it is free for a server that a test stops and
starts again, though other suites run on this machine, which would find it unused meanwhile.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path

FIRST, EACH = 20_000, 1_000
PART = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
LOCKS = Path("/tmp") / f"waypost-ports-of-tests-{os.geteuid()}"  # the byte at a port's number is locked by its process


def free_port() -> int:
    """Return a port that is not in use, and that no other process has chosen."""
    return next(_free)


def _ports() -> Iterator[int]:
    begin = os.getpid() * 37 % EACH  # so that suites that run at the same time differ
    for number in cycle(range(EACH)):
        port = FIRST + PART * EACH + (begin + number) % EACH
        if is_reserved_here(port):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    yield port


def is_reserved_here(port: int) -> bool:
    """Reserve a port for the life of this process; return False if another process has."""
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _locks() -> int:
    """Return the descriptor of the file of locks, which stays open: closing it would release them."""
    return os.open(LOCKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


_free = _ports()
