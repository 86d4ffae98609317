"""A server runs for as long as some process holds the lease: a shared lock that the kernel drops at its death.

Three files are locked, none has a content:

    users       shared, by every process that uses the server, for its life;
                exclusive, by a keeper that found nobody left and is stopping the server
    keeper      exclusive, by the keeper, for its life
    starting    exclusive, by a process that looks for a keeper and starts one if there is none

Who attaches takes `users` first. If a keeper is stopping the server at that moment, the lock is granted when it
is gone, and a new one is started; if not, the keeper now sees a user and stays. So there is no moment at which a
server can vanish under somebody who has attached.
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
_held: dict[Path, int] = {}  # the `users` lock of each server we use; forked children inherit and share it
_one_at_a_time = threading.Lock()


def attach(server: Server, data: Path) -> None:
    """Make sure that the server runs, and that it goes on running while this process lives. Cheap to repeat.

    Raises EmbeddedError, in one line, if it cannot be started.
    """
    place = Place(server.name, data)
    place.prepare()
    with _one_at_a_time:
        if place.lease not in _held:
            _held[place.lease] = take(place.lease / "users", fcntl.LOCK_SH)
        with locked(place.lease / "starting"):
            if not _is_locked(place.lease / "keeper"):
                _start_keeper(server, place)


def leave(server: Server, data: Path, wait: float | None = None) -> bool:
    """Give up the lease of this process, and wait for the server to stop: `wait` seconds, or as long as it takes.

    False if it still runs then: somebody else uses it.
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
    """Lock this file and return the descriptor that holds the lock. Raises BlockingIOError if asked not to wait."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock alone."""
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
    """Returns when the server is ready; the keeper has cut itself loose by then."""
    command = [sys.executable, "-m", "config.local.embedded.keeper", server.name, str(place.data)]
    done = subprocess.run(command, cwd=_PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise EmbeddedError(done.stderr.strip().splitlines()[-1])
