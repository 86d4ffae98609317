"""Test the programs that `up` starts."""

from typing import Any

from config.local import up


def web_commands(listener: int | None = None) -> list[list[str]]:
    return [child.command[1:] for child in up.programs("127.0.0.1", 8000, listener) if child.name.startswith("web")]


def test_web_server_has_the_address_and_the_configured_number_of_processes(settings: Any) -> None:
    settings.WAYPOST_WEB_WORKERS = 3
    assert web_commands() == [["-m", "config.web", "--host", "127.0.0.1", "--port", "8000", "--workers", "3"]]


def test_web_servers_that_share_a_socket_are_programs_of_their_own(settings: Any) -> None:
    settings.WAYPOST_WEB_WORKERS = 3
    shared = ["-m", "config.web", "--host", "127.0.0.1", "--port", "8000", "--workers", "1", "--listener", "7"]
    assert web_commands(listener=7) == [shared] * 3


def test_one_worker_runs_the_schedule() -> None:
    assert [child.name for child in up.programs("127.0.0.1", 8000) if "--schedule" in child.command] == ["work"]
