"""Test `manage.py up` as a process: ready, refused, stopped, killed and started again."""

import os
import re
import signal
import socket
import urllib.error

import psutil
import pytest

from tests.journeys.up import Platform
from tests.ports import free_port
from tests.waiting import wait_until


def test_up_starts_everything_and_sigterm_stops_it(platform: Platform) -> None:
    platform.up()
    line = platform.until_ready()
    base = f"http://127.0.0.1:{platform.port}"
    for url in (f"{base}/", f"{base}/api/v1/docs/", f"{base}/admin/", f"{base}/in/"):
        assert url in line
    assert [platform.get(path) for path in ("/", "/readyz", "/api/v1/docs/", "/api/v1/events/")] == [200, 200, 200, 401]
    password = re.search(r"\(admin / (\S+)\)", line)
    assert password
    kept = platform.data / "secrets" / "admin_password"
    assert kept.read_text().strip() == password[1]
    assert kept.stat().st_mode & 0o777 == 0o600

    assert platform.stop() == 0
    assert platform.processes() == []
    assert "Traceback" not in "".join(platform.lines)


def test_up_whose_output_has_no_reader_any_more_stops_with_everything(platform: Platform) -> None:
    """As with `manage.py up | tee log`: Ctrl-C ends both, and `tee` is the faster one."""
    process = platform.up()
    platform.until_ready()
    assert process.stdout
    process.stdout.close()
    process.terminate()
    assert process.wait() == 0
    assert platform.processes() == []


def test_first_start_that_is_interrupted_says_nothing_and_the_next_one_goes_on(platform: Platform) -> None:
    process = platform.up()
    assert process.stdout
    assert any("its tables are created" in it for it in process.stdout)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _ = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in output
    platform.up()
    platform.until_ready()


def test_up_on_the_data_of_another_platform_fails_in_one_line(platform: Platform) -> None:
    platform.up()
    platform.until_ready()
    other = Platform(platform.data, free_port())
    other.up()
    output = other.refused()
    assert len(output.splitlines()) == 1
    assert "another platform runs on" in output
    assert platform.get("/healthz") == 200


def test_up_on_a_used_port_fails_in_one_line(platform: Platform) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", platform.port))
        occupied.listen()
        platform.up()
        output = platform.refused()
    assert len(output.splitlines()) == 1
    assert f"port {platform.port}" in output


@pytest.mark.parametrize("port", [0, -1, 99_999])
def test_up_on_an_invalid_port_fails_in_one_line(platform: Platform, port: int) -> None:
    platform.port = port
    platform.up()
    output = platform.refused()
    assert len(output.splitlines()) == 1
    assert "--port must be from 1 to 65535" in output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql://u:sesame@127.0.0.1:1/d"),
        ("DATABASE_URL", "mysql://u:sesame@127.0.0.1/d"),
        ("REDIS_URL", "redis://:sesame@127.0.0.1:1/0"),
        ("REDIS_URL", "http://sesame"),
    ],
)
def test_up_with_an_unreachable_server_fails_in_one_line(platform: Platform, variable: str, value: str) -> None:
    platform.up(**{variable: value})
    output = platform.refused()
    assert len(output.splitlines()) == 1
    assert variable in output
    assert "sesame" not in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--prot", "9000"], "unrecognized arguments: --prot 9000; see: manage.py up --help"),
        (["--port", "http"], "argument --port: invalid int value: 'http'; see: manage.py up --help"),
    ],
)
def test_argument_that_is_not_understood_is_the_error_before_any_obstacle(
    platform: Platform, arguments: list[str], expected: str
) -> None:
    platform.data.write_text("a file")
    platform.up(*arguments)
    assert platform.refused() == f"waypost: {expected}\n"


def test_host_of_another_machine_is_refused_by_name(platform: Platform) -> None:
    platform.up("--host", "192.0.2.1")
    output = platform.refused()
    assert len(output.splitlines()) == 1
    assert "name an address of this machine with --host" in output


def test_up_with_an_unusable_data_directory_fails_in_one_line(platform: Platform) -> None:
    platform.data.write_text("a file")
    platform.up()
    output = platform.refused()
    assert len(output.splitlines()) == 1
    assert str(platform.data) in output
    platform.data.unlink()


def test_up_restarts_killed_programs(platform: Platform) -> None:
    platform.up()
    platform.until_ready()
    assert platform.process
    up = psutil.Process(platform.process.pid)
    killed = programs_of(up)
    for child in killed:
        child.kill()
    wait_until(lambda: len(set(programs_of(up)) - set(killed)) == len(killed), "the programs to be started again")
    wait_until(lambda: is_ready(platform), "the platform to be ready")
    assert platform.stop() == 0


def programs_of(up: psutil.Process) -> list[psutil.Process]:
    running = [it for it in up.children() if it.status() != psutil.STATUS_ZOMBIE]
    return [it for it in running if "config.local.process_guard" not in command_of(it)]


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.ZombieProcess:  # it has ended since
        return []


def is_ready(platform: Platform) -> bool:
    try:
        return platform.get("/readyz") == 200
    except urllib.error.URLError:
        return False


@pytest.mark.parametrize("whom", ["the group", "all processes", "only itself"])
def test_up_after_a_kill_starts_again_with_the_same_login(platform: Platform, whom: str) -> None:
    process = platform.up()
    first = platform.until_ready()
    if whom == "the group":
        os.killpg(process.pid, signal.SIGKILL)
    elif whom == "only itself":
        process.kill()
    else:
        platform.kill_all()
    process.wait()
    assert process.stdout
    process.stdout.close()
    platform.up()
    assert platform.until_ready() == first
    assert platform.get("/readyz") == 200
    assert platform.stop() == 0
    assert platform.processes() == []
