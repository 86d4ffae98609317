"""Test that callers share a query."""

import asyncio
import threading

import pytest

from webhooks.kit.fair.shared_queries import SharedQueries


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.kit.fair.threads.close_old_connections", lambda: None)


def test_callers_with_one_key_share_a_query_and_the_next_caller_starts_another() -> None:
    go_on, queried = threading.Event(), []

    def query(key: str) -> str:
        go_on.wait()
        queried.append(key)
        return key.upper()

    async def run() -> list[str]:
        queries = SharedQueries(query)
        waiting = [asyncio.ensure_future(queries.run(key, "share")) for key in ("a", "b", "a")]
        await asyncio.sleep(0)
        go_on.set()
        return [*await asyncio.gather(*waiting), await queries.run("a", "share")]

    assert asyncio.run(run()) == ["A", "B", "A", "A"]
    assert sorted(queried) == ["a", "a", "b"]


def test_cancelled_caller_leaves_the_query_to_the_others() -> None:
    go_on = threading.Event()

    async def run() -> str:
        queries = SharedQueries(lambda key: f"{key} {go_on.wait()}")
        first, second = (asyncio.ensure_future(queries.run("a", "share")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        go_on.set()
        return await second

    assert asyncio.run(run()) == "a True"
