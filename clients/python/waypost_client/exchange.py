"""Send a request until it has a result: repeats, pauses between them, and the problems that responses contain.

The function is a coroutine for both clients. The synchronous client gives it functions that do not suspend, and runs it
to its end with ``completed``: so repeats and errors are written once.
"""

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from waypost_client.errors import NotConnected, problem_of

T = TypeVar("T")
PREFIX = "/api/v1"
REPEATED = frozenset({429, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds
KEY = "Idempotency-Key"
TENANT = "Waypost-Tenant"
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Send = Callable[..., Awaitable[httpx.Response]]
Pause = Callable[[float], Awaitable[None]]


class Call:
    """Describe a request. ``headers``: those that the operation takes; None: not given, or filled in by the client."""

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: Any = None,
        *,
        tenant: str | None = None,
    ) -> None:
        given = dict(headers or {})
        if TENANT in given and given[TENANT] is None:
            given[TENANT] = tenant
        if KEY in given and given[KEY] is None:
            given[KEY] = str(uuid4())
        self._method, self._path, self._body = method, f"{PREFIX}{path}", body
        self._query = {name: _written(value) for name, value in (query or {}).items() if value is not None}
        self._headers = {name: value for name, value in given.items() if value is not None}

    @property
    def changes_nothing_twice(self) -> bool:
        """Return whether a repeat has no effect if the request was carried out already."""
        return self._method != "POST" or KEY in self._headers

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a request of httpx."""
        given = {"method": self._method, "url": self._path, "params": self._query, "headers": self._headers}
        return given if self._body is None else {**given, "json": self._body}


async def exchange(call: Call, attempts: int, send: Send, pause: Pause) -> Any:
    """Return what the response contains. Raises Problem, or NotConnected if no response arrived.

    ``attempts``: at most so many requests. ``send``: sends a request of httpx. ``pause``: waits for so many seconds.
    """
    longer = FIRST_PAUSE
    for left in reversed(range(attempts)):
        response, failure = None, None
        try:
            response = await send(**call.arguments())
        except httpx.TransportError as error:
            failure = error
        if not left or not _may_repeat(call, response, failure):
            break
        await pause(max(longer * random.uniform(0.5, 1.0), min(_retry_after(response) or 0.0, LONGEST_PAUSE)))  # noqa: S311 (no secret)
        longer = min(longer * 2, LONGEST_PAUSE)
    if response is None:
        raise NotConnected(str(failure) or type(failure).__name__) from failure
    return _result(response)


def completed(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits for something")


def next_cursor(page: Mapping[str, Any]) -> str | None:
    """Return the cursor of the next page, from its address."""
    following = page.get("next")
    return httpx.URL(following).params.get("cursor") if following else None


def _may_repeat(call: Call, response: httpx.Response | None, failure: Exception | None) -> bool:
    if response is None:
        return call.changes_nothing_twice or isinstance(failure, NOT_SENT)
    refused = response.status_code in (429, 503)  # before anything was done
    return refused or (response.status_code in REPEATED and call.changes_nothing_twice)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _retry_after(response: httpx.Response | None) -> float | None:
    text = response.headers.get("retry-after", "") if response is not None else ""
    return float(text) if text.isdecimal() else None


def _result(response: httpx.Response) -> Any:
    """Return what a response contains. Raises Problem."""
    if response.is_success:
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.json() if is_json else (response.content or None)
    try:
        body = response.json()
    except ValueError:
        body = {"detail": response.text[:500]}
    request_id = response.headers.get("waypost-request-id", "")
    raise problem_of(response.status_code, body if isinstance(body, dict) else {}, request_id, _retry_after(response))
