"""Fuzz the two hot views over raw sockets: no malformed request is executed, none harms the requests of others."""

import random
import threading
import time
from typing import Any

import orjson
import pytest

from tests.isolation.platforms import Scene
from tests.isolation.raw_requests import Target, exchange, mutated, raw_requests, statuses_in

VIEWS = ("publish", "receive")
NAMES = [it.name for it in raw_requests(Target(0, "/", "X: y", b"{}"))]
SEEDS = 40


@pytest.fixture(scope="session")
def targets(running: Scene) -> dict[str, Target]:
    platform = running.platform
    source = platform.post("sources", scheme="none", name="raw")
    body = orjson.dumps({"type": "raw.request", "data": {"hello": "world"}})
    publish = f"Authorization: Bearer {platform.api_key}\r\nContent-Type: application/json"
    path = "/" + source["url"].split("/", 3)[3]
    return {
        "publish": Target(platform.port, "/api/v1/events/", publish, body),
        "receive": Target(platform.port, path, "Content-Type: application/json", body),
    }


def accepted(received: bytes) -> list[bool]:
    """Tell of each response whether the request was accepted; 200: a message that was received before."""
    return [status in (200, 202) for status in statuses_in(received)]


def stored(running: Scene, word: str) -> int:
    """Count the events and receipts whose content has this word."""
    found = running.platform.sql(
        f"SELECT (SELECT count(*) FROM delivery_event WHERE type = '{word}')"
        f" + (SELECT count(*) FROM webhooks_receipt WHERE encode(body, 'escape') LIKE '%{word}%')"
    )
    return int(found[0][0])


@pytest.mark.parametrize("view", VIEWS)
def test_valid_request_is_accepted_however_its_bytes_arrive(targets: dict[str, Target], view: str) -> None:
    target = targets[view]
    request = target.valid()
    assert accepted(exchange(target.port, request)) == [True]
    assert accepted(exchange(target.port, *(bytes([byte]) for byte in request))) == [True]
    assert accepted(exchange(target.port, request * 5)) == [True] * 5


@pytest.mark.parametrize("view", VIEWS)
def test_body_is_asked_for_with_100_continue(targets: dict[str, Target], view: str) -> None:
    target = targets[view]
    head = target.head(f"Content-Length: {len(target.body)}", "Expect: 100-continue")
    received = exchange(target.port, head, target.body)
    assert statuses_in(received)[-1] in (200, 202)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", NAMES)
def test_malformed_request_is_rejected_and_hides_no_other(
    running: Scene, targets: dict[str, Target], view: str, name: str
) -> None:
    request = next(it for it in raw_requests(targets[view]) if it.name == name)
    found = statuses_in(exchange(targets[view].port, *request.pieces))
    allowed = request.statuses | ({200} if 202 in request.statuses else set())
    assert found or request.may_close
    assert set(found[:1]) <= allowed, found
    assert 500 not in found
    assert stored(running, "smuggled") == 0


@pytest.mark.parametrize("view", VIEWS)
def test_random_changes_break_nothing_for_others(running: Scene, targets: dict[str, Target], view: str) -> None:
    target, ended = targets[view], threading.Event()
    failed: list[Any] = []

    def stay_well() -> None:
        while not ended.is_set():
            if statuses_in(exchange(target.port, target.valid(), address="127.68.0.1"))[:1] not in ([200], [202]):
                failed.append("a valid request beside them")
            time.sleep(0.05)

    beside = threading.Thread(target=stay_well)
    beside.start()
    try:
        for seed in range(SEEDS):
            found = statuses_in(exchange(target.port, mutated(random.Random(seed), target.valid() * 2)))
            failed += [(seed, status) for status in found if status == 500]
    finally:
        ended.set()
        beside.join()
    assert failed == []
    assert running.platform.process is not None
    assert running.platform.process.poll() is None
