"""Keys of senders, fetched from a real server on loopback and remembered."""

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


def test_what_was_fetched_is_good_for_a_while(clock: Clock, server: KeyServer) -> None:
    for _ in range(3):
        assert fetch_keys(server.url) == b'{"keys": []}'
    clock.now += MAX_AGE - 1
    fetch_keys(server.url)
    assert len(server.asked) == 1
    clock.now += 1
    fetch_keys(server.url)
    assert len(server.asked) == 2


def test_newer_keys_are_looked_for_and_a_flood_of_wishes_is_one_call(clock: Clock, server: KeyServer) -> None:
    fetch_keys(server.url)
    clock.now += MIN_INTERVAL
    server.body = b"new"
    assert {fetch_keys(server.url, newer=True) for _ in range(50)} == {b"new"}
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_none_is_out_of_reach(clock: Clock, server: KeyServer, status: int) -> None:
    server.status, server.headers = status, {"Location": server.url + "/elsewhere"}
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            fetch_keys(server.url)
    assert server.asked == ["/jwks.json"]
    server.status = 200
    clock.now += MIN_INTERVAL_WITHOUT_KEYS
    assert fetch_keys(server.url) == server.body


def test_keys_that_are_too_long_are_none(clock: Clock, server: KeyServer) -> None:
    server.body = b"x" * 100_000
    with pytest.raises(KeysUnavailable):
        fetch_keys(server.url)


def test_what_was_known_counts_for_a_day_while_the_publisher_is_down(clock: Clock, server: KeyServer) -> None:
    known = fetch_keys(server.url)
    server.status = 500
    clock.now += MAX_STALE
    assert fetch_keys(server.url) == known
    assert fetch_keys(server.url, newer=True) == known
    clock.now += 1
    with pytest.raises(KeysUnavailable):
        fetch_keys(server.url)


def test_an_address_that_may_not_be_called_is_not(clock: Clock, server: KeyServer, settings) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = []
    with pytest.raises(KeysUnavailable):
        fetch_keys(server.url)
    assert server.asked == []


def test_of_many_who_ask_at_once_one_goes(clock: Clock, server: KeyServer) -> None:
    threads = [threading.Thread(target=fetch_keys, args=[server.url]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1
