"""Wait, as the keeper, until no process uses the server or the server has died, with as little memory as possible.

The keeper becomes this program when its server runs. It imports nothing but a few modules of the standard library, and
waits without waking up: for an exclusive lock on the file `users`, and for SIGCHLD. When no process uses the server, or
on SIGTERM, it stops the server. When the server has died, it becomes the keeper again, which starts another.

    python -I -S watch.py PROJECT KEEPER-LOCK GUARD GUARD-PID SERVER-PID STOP-SIGNAL USERS MODULE KIND DATA

The lock and the pipe to the process guard are inherited descriptors. The last three words name the keeper.
"""

import fcntl
import os
import signal
import sys
import time

STOP_WITHIN = 60.0  # seconds; then the server is killed
LOOK_EVERY = 0.02  # seconds, while it stops


class _ServerDied(Exception):
    """Interrupts the wait for the lock."""


def main(
    project: str,
    keeper_lock: str,
    guard: str,
    guard_pid: str,
    server_pid: str,
    stop_signal: str,
    users: str,
    *keeper: str,
) -> None:
    """Wait; then stop the server, or become the keeper again."""
    server = int(server_pid)
    is_running = _wait_for_last_user(server, users)
    if is_running:
        _stop(server, int(stop_signal))
    os.close(int(guard))
    os.waitpid(int(guard_pid), 0)
    if not is_running:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(project)
        os.execv(sys.executable, [sys.executable, "-m", *keeper, keeper_lock])  # noqa: S606 (our own program)
    os.close(int(keeper_lock))  # before the lock of the users: a new one that gets that finds no keeper


def _wait_for_last_user(server: int, users: str) -> bool:
    """Return True once no process uses the server, or on SIGTERM, and False if the server has died.

    In the first case the exclusive lock stays until this process ends: new users wait for that.
    """

    def child_ended(*_: object) -> None:
        if _has_ended(server):
            raise _ServerDied

    descriptor = os.open(users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGCHLD, child_ended)
        child_ended()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        is_running = True
    except _ServerDied:
        is_running = False
    except SystemExit:
        is_running = True
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return is_running


def _has_ended(server: int) -> bool:
    try:
        return os.waitpid(server, os.WNOHANG)[0] == server
    except ChildProcessError:
        return True


def _stop(server: int, stop_signal: int) -> None:
    try:
        os.kill(server, stop_signal)
        until = time.monotonic() + STOP_WITHIN
        while not _has_ended(server):
            if time.monotonic() > until:
                os.kill(server, signal.SIGKILL)
            time.sleep(LOOK_EVERY)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
