"""Send requests to the API, for the client and its asynchronous twin: authentication, repeats, errors, pages.

A request is repeated after a connection error, 429, 502, 503 and 504, at most ``attempts`` times in all, after what
`Retry-After` says or a growing pause. A POST that takes an `Idempotency-Key` gets one, so that a repeat changes nothing
twice; one that takes none is repeated only if it was not sent.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from waypost_client.errors import NotConnected, problem_of

T = TypeVar("T")
PREFIX = "/api/v1"
REPEATED = frozenset({429, 502, 503, 504})
ATTEMPTS = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds
TIMEOUT = 30.0  # seconds
KEY = "Idempotency-Key"
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def quoted(ref: object) -> str:
    """Return a part of a path, quoted as one."""
    return quote(str(ref), safe="")


class _Call:
    """One call: its request, and whether and when it is repeated."""

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        headers: Mapping[str, str | None],
        body: Any,
        attempts: int,
    ) -> None:
        self.method = method
        self.path = f"{PREFIX}{path}"
        self.query = {name: _written(value) for name, value in query.items() if value is not None}
        self.headers = {name: value for name, value in headers.items() if value is not None}
        if KEY in headers:
            self.headers.setdefault(KEY, str(uuid4()))
        self.body = body
        self._left = attempts
        self._pause = FIRST_PAUSE
        self.is_safe = method != "POST" or KEY in self.headers

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a request of httpx."""
        given = {"method": self.method, "url": self.path, "params": self.query, "headers": self.headers}
        return given if self.body is None else {**given, "json": self.body}

    def pause_after(self, response: httpx.Response | None, error: Exception | None = None) -> float | None:
        """Return the seconds until the request is repeated; None: it is not."""
        self._left -= 1
        if self._left <= 0:
            return None
        if response is None:
            may_repeat = self.is_safe or isinstance(error, NOT_SENT)
        else:
            may_repeat = response.status_code in REPEATED and (self.is_safe or response.status_code in (429, 503))
        if not may_repeat:
            return None
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return max(pause, min(_retry_after(response) or 0.0, LONGEST_PAUSE))


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


def _next_cursor(page: Mapping[str, Any]) -> str | None:
    """Return the cursor of the next page, from its address."""
    following = page.get("next")
    return httpx.URL(following).params.get("cursor") if following else None


class Pages(Generic[T]):
    """All items of a list, page by page as they are needed: ``for it in client.list_events(): ...``."""

    def __init__(
        self, client: "ClientBase", path: str, query: Mapping[str, Any], headers: Mapping[str, str | None]
    ) -> None:
        self._client, self._path, self._query, self._headers = client, path, dict(query), headers

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page["data"]

    def pages(self) -> Iterator[Mapping[str, Any]]:
        """Yield the pages as they are returned."""
        cursor: str | None = self._query.get("cursor")
        while True:
            page = self._client._call("GET", self._path, query={**self._query, "cursor": cursor}, headers=self._headers)
            yield page
            cursor = _next_cursor(page)
            if cursor is None:
                return

    def first(self) -> T | None:
        """Return the first item; None if the list is empty."""
        return next(iter(self), None)


class AsyncPages(Generic[T]):
    """All items of a list, page by page as they are needed: ``async for it in client.list_events(): ...``."""

    def __init__(
        self, client: "AsyncClientBase", path: str, query: Mapping[str, Any], headers: Mapping[str, str | None]
    ) -> None:
        self._client, self._path, self._query, self._headers = client, path, dict(query), headers

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page["data"]:
                yield item

    async def pages(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the pages as they are returned."""
        cursor: str | None = self._query.get("cursor")
        while True:
            page = await self._client._call(
                "GET", self._path, query={**self._query, "cursor": cursor}, headers=self._headers
            )
            yield page
            cursor = _next_cursor(page)
            if cursor is None:
                return

    async def first(self) -> T | None:
        """Return the first item; None if the list is empty."""
        async for item in self:
            return item
        return None


class ClientBase:
    """Use as a context manager, or call ``close``.

    ``tenant``: whose resources a platform key means, unless a call says so. ``timeout``: seconds of each attempt.
    """

    def __init__(
        self, address: str, key: str, *, tenant: str | None = None, attempts: int = ATTEMPTS, timeout: float = TIMEOUT
    ) -> None:
        self.http = httpx.Client(base_url=address.rstrip("/"), headers=_headers(key), timeout=timeout)
        self._tenant, self._attempts = tenant, attempts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: Any = None,
    ) -> Any:
        call = _Call(method, path, query or {}, _with_tenant(headers, self._tenant), body, self._attempts)
        while True:
            response, failure = None, None
            try:
                response = self.http.request(**call.arguments())
            except httpx.TransportError as error:
                failure = error
            if response is not None and response.status_code not in REPEATED:
                return _result(response)
            pause = call.pause_after(response, failure)
            if pause is None:
                return _ended(response, failure)
            time.sleep(pause)

    def _pages(
        self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str | None] | None = None
    ) -> Pages[Any]:
        return Pages(self, path, query, headers or {})


class AsyncClientBase:
    """Use as an asynchronous context manager, or call ``close``. ``tenant``: as for ClientBase."""

    def __init__(
        self, address: str, key: str, *, tenant: str | None = None, attempts: int = ATTEMPTS, timeout: float = TIMEOUT
    ) -> None:
        self.http = httpx.AsyncClient(base_url=address.rstrip("/"), headers=_headers(key), timeout=timeout)
        self._tenant, self._attempts = tenant, attempts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: Any = None,
    ) -> Any:
        call = _Call(method, path, query or {}, _with_tenant(headers, self._tenant), body, self._attempts)
        while True:
            response, failure = None, None
            try:
                response = await self.http.request(**call.arguments())
            except httpx.TransportError as error:
                failure = error
            if response is not None and response.status_code not in REPEATED:
                return _result(response)
            pause = call.pause_after(response, failure)
            if pause is None:
                return _ended(response, failure)
            await asyncio.sleep(pause)

    def _pages(
        self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str | None] | None = None
    ) -> AsyncPages[Any]:
        return AsyncPages(self, path, query, headers or {})


def _headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "accept": "application/json, */*", "user-agent": "waypost-client/0.1.0"}


def _with_tenant(headers: Mapping[str, str | None] | None, tenant: str | None) -> dict[str, str | None]:
    given = dict(headers or {})
    if "Waypost-Tenant" in given and given["Waypost-Tenant"] is None:
        given["Waypost-Tenant"] = tenant
    return given


def _ended(response: httpx.Response | None, failure: Exception | None) -> Any:
    """Return the result of the last attempt. Raises Problem or NotConnected."""
    if response is None:
        raise NotConnected(str(failure) or type(failure).__name__) from failure
    return _result(response)
