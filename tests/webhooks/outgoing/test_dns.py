"""Check that lookups end in time, and that abandoned ones are limited."""

import socket
import threading
from collections.abc import Iterator

import pytest

from webhooks.outgoing import dns
from webhooks.outgoing.dns import resolve_within, system_resolve


class HangingResolver:
    """A resolver that returns only after `release` is set."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.hosts.append(host)
        self.release.wait()
        return ["192.0.2.1"]


@pytest.fixture
def hanging() -> Iterator[HangingResolver]:
    resolver = HangingResolver()
    yield resolver
    resolver.release.set()


def test_resolve_within_returns_the_result_of_the_resolver() -> None:
    assert resolve_within("example.com", seconds=5, resolve=lambda host: [host, "192.0.2.1"]) == [
        "example.com",
        "192.0.2.1",
    ]


def test_resolve_within_raises_the_error_of_the_resolver() -> None:
    def failing(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(socket.gaierror, match="no such name"):
        resolve_within("example.com", seconds=5, resolve=failing)


def test_resolve_within_abandons_a_resolver_that_hangs(hanging: HangingResolver) -> None:
    with pytest.raises(TimeoutError):
        resolve_within("example.com", seconds=0.1, resolve=hanging)
    assert resolve_within("example.com", seconds=5, resolve=lambda host: []) == []


def test_resolve_within_limits_abandoned_lookups(hanging: HangingResolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "_slots", threading.BoundedSemaphore(2))
    for number in range(4):
        with pytest.raises(TimeoutError):
            resolve_within(f"{number}.example.com", seconds=0.05, resolve=hanging)
    assert hanging.hosts == ["0.example.com", "1.example.com"]
    hanging.release.set()
    assert resolve_within("example.com", seconds=5, resolve=lambda host: ["192.0.2.2"]) == ["192.0.2.2"]


def test_system_resolve_returns_each_address_once() -> None:
    addresses = system_resolve("localhost")
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert len(addresses) == len(set(addresses)) > 0
