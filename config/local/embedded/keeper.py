"""The keeper runs one server while somebody uses it: started on demand, it cuts itself loose, and it ends alone.

It starts the server again if it dies; if the keeper itself is killed, its process guard ends the server.

    python -m config.local.embedded.keeper postgres|valkey DATA-DIRECTORY      returns when the server is ready
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
from config.local.embedded.lease import take
from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.server import Server
from config.local.process_guard import ProcessGuard

READY = "ready"
START_WITHIN = 120.0  # seconds: recovery after a crash replays up to max_wal_size
STOP_WITHIN = 60.0
LOOK_EVERY = 0.25
START_TRIES, START_PAUSE = 6, 0.3  # what is left of a killed server needs a moment to let go of its memory
LARGEST_LOG = 10 * 1024 * 1024  # bytes; a larger one is begun anew at the next start


def main(kind: str, data: str) -> None:
    """Fork: the child keeps the server, the parent waits for its word and passes it on."""
    server = {one.name: one for one in (POSTGRES, VALKEY)}[kind]
    place = Place(kind, Path(data))
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _cut_loose(place)
        _keep_and_exit(server, place, writer)
    os.close(writer)
    with os.fdopen(reader) as child:
        word = child.read()
    if word != READY:
        sys.exit(word or f"the keeper of the embedded {kind} ended without a word")


def _cut_loose(place: Place) -> None:
    """Leave the terminal and the output of whoever started us."""
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
    status = 0
    try:
        keep(server, place, writer)
    except (EmbeddedError, OSError) as error:
        status = 1
        with contextlib.suppress(OSError):
            os.write(writer, str(error).encode())
    os._exit(status)


def keep(server: Server, place: Place, writer: int) -> None:
    """Run the server until nobody uses it any more; say READY on `writer` once it accepts connections."""
    try:
        take(place.lease / "keeper", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmbeddedError(f"another keeper runs the embedded {server.name} already") from None
    _end_leftover(place)
    server.prepare(place)
    guard = ProcessGuard(f"{place.home}")
    process = _start(server, place, guard)
    os.write(writer, READY.encode())
    os.close(writer)
    try:
        while _is_used(place):
            time.sleep(LOOK_EVERY)
            if process.poll() is not None:
                process = _start(server, place, guard)
    finally:
        _stop(process, server)
        guard.close()


def _is_used(place: Place) -> bool:
    """False means that we hold the `users` lock alone from now on, so that whoever comes waits for our end."""
    try:
        take(place.lease / "users", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


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
    raise EmbeddedError(f"the embedded {server.name} does not start: {_last_words(place)}")


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
    """A server whose keeper was killed may still run; its number may also belong to another program by now."""
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


def _last_words(place: Place) -> str:
    lines = (place.home / "log").read_text(errors="replace").splitlines()
    grave = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return (grave or lines or ["it said nothing"])[-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
