"""Measure how much memory work takes at most, whatever this process has used before."""

import os
import resource
import signal
import sys
from collections.abc import Callable

LONGEST = 120  # seconds, after which the work hangs
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss


def peak_of(work: Callable[[], object]) -> int:
    """Run work in a child process; return the bytes by which its memory was larger at most than at its start.

    Connections that the work uses are opened by it. Fails if it raises or hangs.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(LONGEST)
        try:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            work()
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(write, str(grown * UNIT).encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    assert said.lstrip("-").isdigit(), said or "It was killed, or hangs."
    return int(said)
