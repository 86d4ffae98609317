"""Test that published keys are fetched from a real server on loopback, and cached."""

import threading
from collections.abc import Iterator
from concurrent.futures import wait

import pytest
from django.conf import settings

from tests.key_server import KeyServer
from tests.receiver import Exchange, Receiver
from webhooks.outgoing.call_limits import calls_per_host
from webhooks.receiving import published_keys
from webhooks.receiving.published_keys import MAX_AGE, MAX_STALE, MIN_INTERVAL, MIN_INTERVAL_WITHOUT_KEYS, start_fetch
from webhooks.wire.errors import KeysUnavailable


def fetch_keys(url: str, *, share: str = "a", newer: bool = False) -> bytes:
    return start_fetch(url, share=share, newer=newer).result()


CALLS_PER_TENANT, CALLS_PER_HOST = settings.WAYPOST_CALLS_PER_TENANT, calls_per_host()


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


def hang(exchange: Exchange) -> None:
    exchange.server.receiver.closing.wait()


def test_fetch_keys_of_one_share_while_key_servers_of_another_hang(clock: Clock, server: KeyServer) -> None:
    with Receiver() as slow:
        urls = [slow.script(f"/{number}", hang) for number in range(2 * CALLS_PER_TENANT)]
        hanging = [start_fetch(url, share="hostile") for url in urls]
        slow.wait_for(CALLS_PER_HOST)
        assert fetch_keys(server.url, share="neighbour") == server.body
        with pytest.raises(KeysUnavailable, match="one host"):
            hanging[-1].result()
        assert sum(not future.done() for future in hanging) == CALLS_PER_HOST
    for future in hanging:
        with pytest.raises(KeysUnavailable):
            future.result()


def test_fetch_keys_beyond_the_limit_of_calls_is_tried_again_at_once(clock: Clock, server: KeyServer) -> None:
    with Receiver() as slow:
        hanging = [start_fetch(slow.script(f"/{n}", hang), share="a") for n in range(CALLS_PER_HOST)]
        slow.wait_for(CALLS_PER_HOST)
        url = slow.script("/keys", 200)
        with pytest.raises(KeysUnavailable, match="one host"):
            fetch_keys(url)
    wait([*hanging])
    with pytest.raises(KeysUnavailable, match="connection"):
        fetch_keys(url)


def test_shares_do_not_see_each_others_documents(clock: Clock, server: KeyServer) -> None:
    fetch_keys(server.url, share="a")
    fetch_keys(server.url, share="b")
    assert len(server.requests) == 2
