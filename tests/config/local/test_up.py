"""Test the programs that `up` starts, by the settings of the web front."""

from typing import Any

import pytest

from config.local import up


def web() -> list[str]:
    (command,) = [child.command for child in up.programs("127.0.0.1", 8000) if child.name == "web"]
    return command


@pytest.mark.parametrize(
    ("buffered", "front"), [(False, "config.web.rsgi:application"), (True, "config.wsgi:application")]
)
def test_web_front_buffers_bodies_unless_a_proxy_does(settings: Any, buffered: bool, front: str) -> None:
    settings.WAYPOST_WEB_BUFFERED = buffered
    assert front in web()


def test_web_behind_a_buffering_proxy_has_the_configured_number_of_threads(settings: Any) -> None:
    settings.WAYPOST_WEB_BUFFERED, settings.WAYPOST_WEB_THREADS = True, 3
    command = web()
    assert command[command.index("--blocking-threads") + 1] == "3"
