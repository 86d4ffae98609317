"""Test the programs that `up` starts."""

from typing import Any

from config.local import up


def test_web_server_has_the_address_and_the_configured_number_of_processes(settings: Any) -> None:
    settings.WAYPOST_WEB_WORKERS = 3
    (command,) = [child.command for child in up.programs("127.0.0.1", 8000) if child.name == "web"]
    assert command[1:] == ["-m", "config.web", "--host", "127.0.0.1", "--port", "8000", "--workers", "3"]
