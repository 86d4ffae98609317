"""Keep one embedded server running while processes use it: start on demand, detach, end with the last user.

The keeper restarts the server if it dies; if the keeper itself is killed, its process guard ends the server. While the
server runs, the keeper is the small program `watch`, which becomes this one again when the server has died.

    python -m config.local.embedded.keeper postgres|valkey DATA-DIRECTORY      returns when the server is ready
    python -m config.local.embedded.keeper postgres|valkey DATA-DIRECTORY KEEPER-LOCK    becomes `watch`
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import psutil

from config.local.embedded import POSTGRES, VALKEY
from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.server import Server
from config.local.embedded.user_lock import take
from config.local.process_guard import ProcessGuard

READY = "ready"
START_WITHIN = 120.0  # seconds: recovery after a crash replays up to max_wal_size
STOP_WITHIN = 60.0
START_TRIES = 6
START_PAUSE = 0.3  # seconds between tries: the kernel frees the shared memory of a killed server with a delay
LARGEST_LOG = 10 * 1024 * 1024  # bytes; a larger log is deleted at the next start
_WATCH = Path(__file__).resolve().with_name("watch.py")
_PROJECT = Path(__file__).resolve().parents[3]


def main(kind: str, data: str, keeper_lock: str = "") -> None:
    """Fork a keeper, wait until its server is ready, and exit; with the reason if it failed.

    With the descriptor of the keeper's lock: be the keeper again, after the death of its server.
    """
    server = {one.name: one for one in (POSTGRES, VALKEY)}[kind]
    place = Place(kind, Path(data))
    if keeper_lock:
        keep(server, place, int(keeper_lock))
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _detach(place)
        _keep_and_exit(server, place, writer)
    os.close(writer)
    with os.fdopen(reader) as child:
        message = child.read()
    if message != READY:
        sys.exit(message or f"the keeper of the embedded {kind} ended without a message")


def _detach(place: Place) -> None:
    """Leave the session and the output of the starting process."""
    os.setsid()
    os.chdir("/")
    os.umask(0o022)  # the home is closed as a whole; copied programs inside it must be open to its user
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log = place.home / "log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.unlink()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for output in (1, 2):
        os.dup2(descriptor, output)
    os.close(descriptor)


def _keep_and_exit(server: Server, place: Place, writer: int) -> NoReturn:
    try:
        keep(server, place, _take_keeper_lock(server, place), writer)
    except (EmbeddedError, OSError) as error:
        with contextlib.suppress(OSError):
            os.write(writer, str(error).encode())
        os._exit(1)


def _take_keeper_lock(server: Server, place: Place) -> int:
    try:
        return take(place.lease / "keeper", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmbeddedError(f"another keeper runs the embedded {server.name} already") from None


def keep(server: Server, place: Place, keeper_lock: int, writer: int | None = None) -> NoReturn:
    """Start the server, write READY to `writer` once it accepts connections, and become the program `watch`."""
    _end_leftover(place)
    server.prepare(place)
    guard = ProcessGuard(f"{place.home}")
    process = _start(server, place, guard)
    if writer is not None:
        os.write(writer, READY.encode())
        os.close(writer)
    pipe, guard_pid = guard.detach()
    os.set_inheritable(keeper_lock, True)
    numbers = [keeper_lock, pipe, guard_pid, process.pid, int(server.stop_signal)]
    keeper = ["config.local.embedded.keeper", server.name, str(place.data)]
    words = [str(_PROJECT), *map(str, numbers), str(place.lease / "users"), *keeper]
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(_WATCH), *words])  # noqa: S606 (our own program)


def _start(server: Server, place: Place, guard: ProcessGuard) -> "subprocess.Popen[bytes]":
    for _ in range(START_TRIES):
        process = guard.start(
            server.command(place),
            stop_signal=server.stop_signal,
            cwd="/",
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            **place.identity,
        )
        (place.home / "pid").write_text(str(process.pid))
        if _becomes_ready(server, place, process):
            return process
        time.sleep(START_PAUSE)
    raise EmbeddedError(f"the embedded {server.name} does not start: {_last_error(place)}")


def _becomes_ready(server: Server, place: Place, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + START_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        if server.is_ready(place, process.pid):
            return True
        time.sleep(0.02)
    _stop(process, server)
    return False


def _stop(process: "subprocess.Popen[bytes]", server: Server) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(server.stop_signal)
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_leftover(place: Place) -> None:
    """Stop a server whose keeper was killed; the recorded pid may meanwhile belong to another program."""
    try:
        leftover = psutil.Process(int((place.home / "pid").read_text()))
        if any(str(place.home) in argument for argument in leftover.cmdline()):
            leftover.send_signal(signal.SIGINT)
            leftover.wait(STOP_WITHIN)
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    except psutil.TimeoutExpired:
        leftover.kill()
        leftover.wait()


def _last_error(place: Place) -> str:
    lines = (place.home / "log").read_text(errors="replace").splitlines()
    fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return (fatal or lines or ["its log is empty"])[-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
