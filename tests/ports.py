"""Ports for the servers of tests. Below the range from which the system gives ports to connections, or a connection of
another test might have taken it when the server comes up; and each process of the suite has a part of its own."""

import os
import socket
from collections.abc import Iterator
from itertools import cycle

FIRST, EACH = 20_000, 1_000
PART = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10


def free_port() -> int:
    """A port nobody listens on."""
    return next(_free)


def _ports() -> Iterator[int]:
    begin = os.getpid() * 37 % EACH  # suites that run side by side begin at different ones
    for number in cycle(range(EACH)):
        port = FIRST + PART * EACH + (begin + number) % EACH
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                yield port


_free = _ports()
