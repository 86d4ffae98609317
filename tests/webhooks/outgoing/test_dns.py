"""A look-up is answered in time or given up, and what hangs does not pile up."""

import socket
import threading
from collections.abc import Iterator

import pytest

from webhooks.outgoing import dns
from webhooks.outgoing.dns import resolve_within, system_resolve


class Hanging:
    """A resolver that answers only when it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        self.let_go.wait()
        return ["192.0.2.1"]


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    resolver = Hanging()
    yield resolver
    resolver.let_go.set()


def test_the_answer_is_the_resolvers() -> None:
    assert resolve_within("example.com", seconds=5, resolve=lambda host: [host, "192.0.2.1"]) == [
        "example.com",
        "192.0.2.1",
    ]


def test_the_resolvers_error_is_passed_on() -> None:
    def failing(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(socket.gaierror, match="no such name"):
        resolve_within("example.com", seconds=5, resolve=failing)


def test_a_resolver_that_hangs_is_left_behind(hanging: Hanging) -> None:
    with pytest.raises(TimeoutError):
        resolve_within("example.com", seconds=0.1, resolve=hanging)
    assert resolve_within("example.com", seconds=5, resolve=lambda host: []) == []


def test_look_ups_that_hang_do_not_pile_up(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "_slots", threading.BoundedSemaphore(2))
    for number in range(4):
        with pytest.raises(TimeoutError):
            resolve_within(f"{number}.example.com", seconds=0.05, resolve=hanging)
    assert hanging.asked == ["0.example.com", "1.example.com"]
    hanging.let_go.set()
    assert resolve_within("example.com", seconds=5, resolve=lambda host: ["192.0.2.2"]) == ["192.0.2.2"]


def test_the_systems_resolver_gives_each_address_once() -> None:
    addresses = system_resolve("localhost")
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert len(addresses) == len(set(addresses)) > 0
