"""Test the keeper: a server runs while a process is attached to it, whichever process is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from config.local import embedded
from config.local.embedded import POSTGRES, VALKEY, EmbeddedError, Server
from config.local.embedded.place import Place
from config.local.embedded.user_lock import _is_locked
from tests.processes import start as start_process

ROOT = Path(__file__).resolve().parents[4]
USE = """
import sys
from pathlib import Path
from config.local import embedded
embedded.attach(embedded.VALKEY, Path(sys.argv[1]))
print("attached", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def user(data: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Return a function that starts a process attached to the broker until its input ends."""
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", USE, str(data)]
        pipe = subprocess.PIPE
        started.append(start_process(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def attached(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout
    return process.stdout.readline() == "attached\n"


def pid_of(server: Server, data: Path) -> int:
    return int((Place(server.name, data).home / "pid").read_text() or 0)  # empty while it is written


def is_ready(server: Server, data: Path) -> bool:
    return server.is_ready(Place(server.name, data), pid_of(server, data))


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def is_released(server: Server, data: Path) -> bool:
    return not _is_locked(Place(server.name, data).lease / "keeper")


@pytest.mark.parametrize("server", [POSTGRES, VALKEY], ids=lambda server: server.name)
def test_attach_returns_with_a_running_server_and_a_second_attach_shares_it(server: Server, data: Path) -> None:
    embedded.attach(server, data)
    assert is_ready(server, data)
    first = pid_of(server, data)
    embedded.attach(server, data)
    assert pid_of(server, data) == first


@pytest.mark.parametrize("server", [POSTGRES, VALKEY], ids=lambda server: server.name)
def test_server_does_not_run_as_root(server: Server, data: Path) -> None:
    embedded.attach(server, data)
    assert psutil.Process(pid_of(server, data)).uids().effective != 0


@pytest.mark.parametrize("server", [POSTGRES, VALKEY], ids=lambda server: server.name)
def test_server_listens_on_no_network_address(server: Server, data: Path) -> None:
    embedded.attach(server, data)
    assert psutil.Process(pid_of(server, data)).net_connections("inet") == []


@pytest.mark.parametrize("server", [POSTGRES, VALKEY], ids=lambda server: server.name)
def test_leave_of_the_last_user_stops_the_server(server: Server, data: Path) -> None:
    assert not embedded.is_kept(server, data)
    embedded.attach(server, data)
    pid = pid_of(server, data)
    assert embedded.is_kept(server, data)
    assert embedded.leave(server, data)
    assert not psutil.pid_exists(pid)
    assert not embedded.is_kept(server, data)


def test_leave_keeps_the_server_while_another_process_is_attached(
    data: Path, user: Callable[[], "subprocess.Popen[str]"]
) -> None:
    embedded.attach(VALKEY, data)
    pid = pid_of(VALKEY, data)
    other = user()
    assert attached(other)
    assert not embedded.leave(VALKEY, data, wait=1.0)
    assert pid_of(VALKEY, data) == pid
    assert is_ready(VALKEY, data)
    other.communicate()
    until(lambda: is_released(VALKEY, data))
    assert not psutil.pid_exists(pid)


def test_server_stops_when_its_last_user_is_killed(data: Path, user: Callable[[], "subprocess.Popen[str]"]) -> None:
    other = user()
    assert attached(other)
    pid = pid_of(VALKEY, data)
    other.kill()
    until(lambda: is_released(VALKEY, data))
    assert not psutil.pid_exists(pid)


def test_processes_that_attach_at_once_share_one_server(
    data: Path, user: Callable[[], "subprocess.Popen[str]"]
) -> None:
    others = [user() for _ in range(4)]
    assert all(attached(other) for other in others)
    home = str(Place(VALKEY.name, data).home)
    servers = [one for one in psutil.process_iter(["cmdline"]) if is_server(one, home)]
    assert [one.pid for one in servers] == [pid_of(VALKEY, data)]


def is_server(process: psutil.Process, home: str) -> bool:
    command = process.info["cmdline"] or []
    return home in command and command[0].endswith("valkey-server")


def test_attach_while_a_server_stops_starts_a_new_one(data: Path) -> None:
    for _ in range(3):
        embedded.attach(VALKEY, data)
        assert is_ready(VALKEY, data)
        embedded.leave(VALKEY, data, wait=0)


def test_killed_server_is_restarted_for_its_users(data: Path) -> None:
    embedded.attach(VALKEY, data)
    killed = pid_of(VALKEY, data)
    os.kill(killed, signal.SIGKILL)
    until(lambda: pid_of(VALKEY, data) != killed and is_ready(VALKEY, data))


def test_committed_rows_survive_a_kill_of_server_and_keeper(data: Path) -> None:
    embedded.attach(POSTGRES, data)
    with psycopg.connect(embedded.database_url(data)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 17 AS number")
    postmaster = psutil.Process(pid_of(POSTGRES, data))
    keeper = postmaster.parent()
    assert keeper
    family = [keeper, postmaster, *postmaster.children()]
    for process in family:
        with suppress(psutil.NoSuchProcess):  # a child dies with its postmaster
            process.kill()
    psutil.wait_procs(family)
    embedded.attach(POSTGRES, data)
    with psycopg.connect(embedded.database_url(data)) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (17,)


def test_attach_ignores_a_pid_file_whose_pid_another_program_reused(data: Path) -> None:
    embedded.attach(POSTGRES, data)
    place = Place(POSTGRES.name, data)
    lock = place.home / "cluster" / "postmaster.pid"
    rest = lock.read_text().split("\n", 1)[1]
    embedded.leave(POSTGRES, data)
    with subprocess.Popen(["/bin/sleep", "600"], cwd="/", **place.identity) as another:
        lock.write_text(f"{another.pid}\n{rest}")
        (place.home / "pid").write_text(str(another.pid))
        embedded.attach(POSTGRES, data)
        assert is_ready(POSTGRES, data)
        assert another.poll() is None
        another.kill()


def test_attach_raises_one_line_if_the_server_cannot_start(data: Path) -> None:
    embedded.attach(POSTGRES, data)
    embedded.leave(POSTGRES, data)
    (Place(POSTGRES.name, data).home / "cluster" / "PG_VERSION").write_text("7\n")
    with pytest.raises(EmbeddedError, match=r"incompatible with server$") as caught:
        embedded.attach(POSTGRES, data)
    assert "\n" not in str(caught.value)


def test_attach_repeats_an_interrupted_creation(data: Path) -> None:
    place = Place(POSTGRES.name, data)
    place.prepare()
    (place.home / "cluster.draft").mkdir()
    (place.home / "cluster.draft" / "PG_VERSION").write_text("18\n")
    embedded.attach(POSTGRES, data)
    assert is_ready(POSTGRES, data)
