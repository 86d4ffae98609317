"""Keep an embedded server running while a process holds a shared lock, which the kernel releases at its death.

Three empty files are locked:

    users       shared, by every process that uses the server, for its life;
                exclusive, by a keeper that found no user left and is stopping the server
    keeper      exclusive, by the keeper, for its life
    starting    exclusive, by a process that checks for a keeper and starts one if there is none

Attaching locks `users` first. If a keeper is stopping the server at that moment, the lock is granted when the keeper
has ended, and a new one is started; otherwise the keeper sees a user and stays. So a server never stops under a
process that has attached.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.server import Server

_PROJECT = Path(__file__).resolve().parents[3]
_held: dict[Path, int] = {}  # the `users` lock of each server in use here; forked children inherit and share it
_one_at_a_time = threading.Lock()


def attach(server: Server, data: Path) -> None:
    """Start the server if it does not run, and keep it running while this process lives. Cheap to repeat.

    Raises EmbeddedError, with a one-line message, if it cannot be started.
    """
    place = Place(server.name, data)
    place.prepare()
    with _one_at_a_time:
        if place.lease not in _held:
            _held[place.lease] = take(place.lease / "users", fcntl.LOCK_SH)
    with locked(place.lease / "starting"):
        if not _is_locked(place.lease / "keeper"):
            _start_keeper(server, place)


def is_kept(server: Server, data: Path) -> bool:
    """Return whether the server has a keeper, which starts it again if it dies. Cheaper than ``attach``."""
    lease = Place(server.name, data).lease
    return lease.exists() and _is_locked(lease / "keeper")


def leave(server: Server, data: Path, wait: float | None = None) -> bool:
    """Release the lock of this process, and wait up to `wait` seconds (None: for ever) for the server to stop.

    Returns False if it still runs then because another process uses it.
    """
    lease = Place(server.name, data).lease
    with _one_at_a_time:
        if lease in _held:
            os.close(_held.pop(lease))
    deadline = None if wait is None else time.monotonic() + wait
    while lease.exists() and _is_locked(lease / "keeper"):
        if deadline is not None and time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def take(path: Path, how: int) -> int:
    """Lock a file and return the descriptor that holds the lock. Raises BlockingIOError for LOCK_NB on a held lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file."""
    descriptor = take(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    try:
        os.close(take(path, fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def _start_keeper(server: Server, place: Place) -> None:
    """Start a keeper and return when its server is ready; by then the keeper has detached itself."""
    command = [sys.executable, "-m", "config.local.embedded.keeper", server.name, str(place.data)]
    done = subprocess.run(  # noqa: S603
        command, cwd=_PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise EmbeddedError(done.stderr.strip().splitlines()[-1])
