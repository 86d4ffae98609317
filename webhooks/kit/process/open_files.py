"""Raise the process's limit of open files, and say how many of them connections may use.

Connections, database, log and listening sockets are all files. The usual soft limit is 1,024, while the hard limit, up
to which a process may raise it, is far higher. Every process of the platform calls ``raise_limit`` when it starts.
"""

import errno
import resource
from contextlib import suppress

RESERVED = 256  # open files for everything but connections: database, broker, key sets, tokens, lookups, logs
MOST = 65_536  # open files of a process; a higher hard limit is not used in full

# Error codes of the operating system for no more open files, buffers or memory: our failure, not the endpoint's.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return it. Child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _at_most(hard)
    if _at_most(soft) < wanted:
        with suppress(ValueError, OSError):  # a system may have a further limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return _at_most(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def free_for_connections() -> int:
    """Return how many connections the limit of this process leaves room for, at least 1."""
    return max(_at_most(resource.getrlimit(resource.RLIMIT_NOFILE)[0]) - RESERVED, 1)


def _at_most(limit: int) -> int:
    return MOST if limit == resource.RLIM_INFINITY else min(limit, MOST)
