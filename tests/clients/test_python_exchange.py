"""Requests of the Python clients are repeated by the same rules, synchronous or not; no platform is needed."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from waypost_client import AsyncClient, Client, NotConnected, Problem, ServerError
from waypost_client.exchange import completed

ADDRESS = "http://127.0.0.1:1"
Run = Callable[..., Any]


class Answers:
    """Answer requests of a client with these, one after the other; keep the requests and the pauses between them.

    An answer is a status, with or without seconds in ``Retry-After``, or an error to raise.
    """

    def __init__(self, *answers: int | tuple[int, str] | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, retry_after = answer if isinstance(answer, tuple) else (answer, "")
        headers = {"retry-after": retry_after} if retry_after else {}
        following = f"{ADDRESS}/api/v1/events?cursor=c{len(self.requests)}" if self.answers else None
        body = {"data": [{"id": f"evt_{len(self.requests)}"}], "next": following, "id": "evt_1"}
        return httpx.Response(status, json=body, headers=headers)


def run_client(answers: Answers, monkeypatch: pytest.MonkeyPatch, call: str, *given: Any, **options: Any) -> Any:
    """Call a method of the synchronous client; a list is returned with all its items."""
    monkeypatch.setattr("waypost_client.client_base.time.sleep", answers.pauses.append)
    with Client(ADDRESS, "k") as client:
        client.http = httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(answers))
        result = getattr(client, call)(*given, **options)
        return list(result) if hasattr(result, "__iter__") and not isinstance(result, dict) else result


def run_async_client(answers: Answers, monkeypatch: pytest.MonkeyPatch, call: str, *given: Any, **options: Any) -> Any:
    """Call a method of the asynchronous client; a list is returned with all its items."""

    async def pause(seconds: float) -> None:
        answers.pauses.append(seconds)

    async def called() -> Any:
        async with AsyncClient(ADDRESS, "k") as client:
            client.http = httpx.AsyncClient(base_url=ADDRESS, transport=httpx.MockTransport(answers))
            result = getattr(client, call)(*given, **options)
            return [it async for it in result] if hasattr(result, "__aiter__") else await result

    monkeypatch.setattr("waypost_client.client_base.asyncio.sleep", pause)
    return asyncio.run(called())


@pytest.fixture(params=[run_client, run_async_client], ids=["client", "async_client"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the function that calls a method of one of the clients."""
    return lambda answers, *given, **options: request.param(answers, monkeypatch, *given, **options)


EVENT = {"type": "a", "data": 1}
CUT = httpx.ReadError("cut")
NOT_SENT = httpx.ConnectError("refused")


@pytest.mark.parametrize("failure", [CUT, NOT_SENT, 429, 502, 503, 504], ids=str)
def test_post_is_repeated_under_the_same_idempotency_key(run: Run, failure: Any) -> None:
    answers = Answers(failure, failure, 202)
    assert run(answers, "create_event", EVENT)["id"] == "evt_1"
    keys = {it.headers["idempotency-key"] for it in answers.requests}
    assert (len(answers.requests), len(keys), len(answers.pauses)) == (3, 1, 2)


def test_request_is_given_up_after_its_attempts(run: Run) -> None:
    answers = Answers(503, 503, 503, 503)
    with pytest.raises(ServerError):
        run(answers, "list_events")
    assert (len(answers.requests), len(answers.pauses)) == (4, 3)


def test_lost_connections_are_given_up_after_all_attempts(run: Run) -> None:
    answers = Answers(*[CUT] * 4)
    with pytest.raises(NotConnected, match="cut"):
        run(answers, "get_event", "evt_1")
    assert len(answers.requests) == 4


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_error_that_no_repeat_mends_is_not_repeated(run: Run, status: int) -> None:
    answers = Answers(status)
    with pytest.raises(Problem) as raised:
        run(answers, "list_events")
    assert (raised.value.status, len(answers.requests)) == (status, 1)


def test_pause_is_what_retry_after_says_but_not_longer_than_half_a_minute(run: Run) -> None:
    answers = Answers((429, "7"), (503, "3600"), (503, "soon"), 202)
    run(answers, "create_event", EVENT)
    assert answers.pauses[:2] == [7.0, 30.0]
    assert 0.5 <= answers.pauses[2] <= 1.0


def test_list_is_fetched_page_by_page(run: Run) -> None:
    answers = Answers(200, 503, 200, 200)
    assert [it["id"] for it in run(answers, "list_events", type="a")] == ["evt_1", "evt_3", "evt_4"]
    assert [it.url.params.get("cursor") for it in answers.requests] == [None, "c1", "c1", "c3"]
    assert {it.url.params["type"] for it in answers.requests} == {"a"}


def test_client_without_attempts_is_refused() -> None:
    with pytest.raises(ValueError, match="attempts"):
        Client(ADDRESS, "k", attempts=0)


def test_coroutine_that_waits_is_not_completed() -> None:
    with pytest.raises(RuntimeError):
        completed(asyncio.sleep(1))
