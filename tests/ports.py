"""Choose ports for the servers of tests.

They are below the range the system uses for outgoing connections, so that no connection of another test takes a port
before its server starts; each process of the suite has its own part of the range.
"""

import os
import socket
from collections.abc import Iterator
from itertools import cycle

FIRST, EACH = 20_000, 1_000
PART = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10


def free_port() -> int:
    """Return a port that is not in use."""
    return next(_free)


def _ports() -> Iterator[int]:
    begin = os.getpid() * 37 % EACH  # so that suites that run at the same time differ
    for number in cycle(range(EACH)):
        port = FIRST + PART * EACH + (begin + number) % EACH
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                yield port


_free = _ports()
