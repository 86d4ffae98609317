"""Test that published keys are fetched from a real server on loopback, and cached."""

import threading
from collections.abc import Iterator

import pytest

from tests.key_server import KeyServer
from webhooks.receiving import published_keys
from webhooks.receiving.published_keys import MAX_AGE, MAX_STALE, MIN_INTERVAL, MIN_INTERVAL_WITHOUT_KEYS, fetch_keys
from webhooks.wire.errors import KeysUnavailable


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings) -> Iterator[Clock]:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    clock = Clock()
    monkeypatch.setattr(published_keys, "time", clock)
    published_keys.clear_keys()
    yield clock
    published_keys.clear_keys()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer() as server:
        yield server


def test_fetch_keys_caches_the_document_for_max_age(clock: Clock, server: KeyServer) -> None:
    for _ in range(3):
        assert fetch_keys(server.url) == b'{"keys": []}'
    clock.now += MAX_AGE - 1
    fetch_keys(server.url)
    assert len(server.requests) == 1
    clock.now += 1
    fetch_keys(server.url)
    assert len(server.requests) == 2


def test_fetch_keys_newer_many_times_fetches_once(clock: Clock, server: KeyServer) -> None:
    fetch_keys(server.url)
    clock.now += MIN_INTERVAL
    server.body = b"new"
    assert {fetch_keys(server.url, newer=True) for _ in range(50)} == {b"new"}
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [302, 404, 500])
def test_fetch_keys_with_an_error_status_raises_and_retries_after_the_interval(
    clock: Clock, server: KeyServer, status: int
) -> None:
    server.status, server.headers = status, {"Location": server.url + "/elsewhere"}
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            fetch_keys(server.url)
    assert server.requests == ["/jwks.json"]
    server.status = 200
    clock.now += MIN_INTERVAL_WITHOUT_KEYS
    assert fetch_keys(server.url) == server.body


def test_fetch_keys_with_a_document_too_long_raises(clock: Clock, server: KeyServer) -> None:
    server.body = b"x" * 100_000
    with pytest.raises(KeysUnavailable):
        fetch_keys(server.url)


def test_fetch_keys_while_the_publisher_is_down_uses_the_last_document_for_a_day(
    clock: Clock, server: KeyServer
) -> None:
    known = fetch_keys(server.url)
    server.status = 500
    clock.now += MAX_STALE
    assert fetch_keys(server.url) == known
    assert fetch_keys(server.url, newer=True) == known
    clock.now += 1
    with pytest.raises(KeysUnavailable):
        fetch_keys(server.url)


def test_fetch_keys_from_a_forbidden_address_raises_without_a_call(clock: Clock, server: KeyServer, settings) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = []
    with pytest.raises(KeysUnavailable):
        fetch_keys(server.url)
    assert server.requests == []


def test_fetch_keys_in_many_threads_fetches_once(clock: Clock, server: KeyServer) -> None:
    threads = [threading.Thread(target=fetch_keys, args=[server.url]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
