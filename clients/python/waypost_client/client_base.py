"""Hold the connections of a client, and iterate over the pages of lists.

A request is repeated after a connection error, 429, 502, 503 and 504, at most ``attempts`` times in all, after what
`Retry-After` says or a growing pause. A POST that takes an `Idempotency-Key` gets one, so that a repeat changes nothing
twice; one that takes none is repeated only if it was not sent. ``exchange`` has these rules, for both clients.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx

from waypost_client.exchange import Call, completed, exchange, next_cursor

T = TypeVar("T")
Http = TypeVar("Http")
Page = Mapping[str, Any]
ATTEMPTS = 4
TIMEOUT = 30.0  # seconds


def quoted(ref: object) -> str:
    """Return a part of a path, quoted as one."""
    return quote(str(ref), safe="")


class _Walk:
    """Know which page of a list is next."""

    def __init__(self, path: str, query: Mapping[str, Any], headers: Mapping[str, str | None] | None) -> None:
        self._path, self._query, self._headers = path, dict(query), headers
        self.has_ended = False

    def request(self) -> dict[str, Any]:
        """Return the arguments of the call of the next page."""
        return {"method": "GET", "path": self._path, "query": self._query, "headers": self._headers}

    def keep(self, page: Page) -> Page:
        """Return the page, and remember which one follows."""
        self._query["cursor"] = next_cursor(page)
        self.has_ended = self._query["cursor"] is None
        return page


class Pages(Generic[T]):
    """All items of a list, page by page as they are needed: ``for it in client.list_events(): ...``."""

    def __init__(self, client: "ClientBase", *listed: Any) -> None:
        self._client, self._listed = client, listed

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page["data"]

    def pages(self) -> Iterator[Page]:
        """Yield the pages as they are returned."""
        walk = _Walk(*self._listed)
        while not walk.has_ended:
            yield walk.keep(self._client._call(**walk.request()))

    def first(self) -> T | None:
        """Return the first item; None if the list is empty."""
        return next(iter(self), None)


class AsyncPages(Generic[T]):
    """All items of a list, page by page as they are needed: ``async for it in client.list_events(): ...``."""

    def __init__(self, client: "AsyncClientBase", *listed: Any) -> None:
        self._client, self._listed = client, listed

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page["data"]:
                yield item

    async def pages(self) -> AsyncIterator[Page]:
        """Yield the pages as they are returned."""
        walk = _Walk(*self._listed)
        while not walk.has_ended:
            yield walk.keep(await self._client._call(**walk.request()))

    async def first(self) -> T | None:
        """Return the first item; None if the list is empty."""
        return await anext(aiter(self), None)


class _Caller(Generic[Http]):
    """Hold the connections and settings of a client.

    ``tenant``: whose resources a platform key means, unless a call says so. ``attempts``: of each request, the first
    one included. ``timeout``: seconds of each attempt.
    """

    def __init__(
        self, address: str, key: str, *, tenant: str | None = None, attempts: int = ATTEMPTS, timeout: float = TIMEOUT
    ) -> None:
        if attempts < 1:
            raise ValueError("attempts must be at least 1")
        self._tenant, self._attempts = tenant, attempts
        headers = {
            "authorization": f"Bearer {key}",
            "accept": "application/json, */*",
            "user-agent": "waypost-client/0.1.0",
        }
        self.http = self._connections(base_url=address.rstrip("/"), headers=headers, timeout=timeout)

    def _connections(self, **options: Any) -> Http:
        raise NotImplementedError

    async def _send(self, **request: Any) -> httpx.Response:
        raise NotImplementedError

    async def _pause(self, seconds: float) -> None:
        raise NotImplementedError

    async def _exchange(self, *request: Any, **options: Any) -> Any:
        call = Call(*request, **options, tenant=self._tenant)
        return await exchange(call, self._attempts, self._send, self._pause)


class ClientBase(_Caller[httpx.Client]):
    """Use as a context manager, or call ``close``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _connections(self, **options: Any) -> httpx.Client:
        return httpx.Client(**options)

    async def _send(self, **request: Any) -> httpx.Response:
        return self.http.request(**request)

    async def _pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _call(self, *request: Any, **options: Any) -> Any:
        return completed(self._exchange(*request, **options))

    def _pages(
        self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str | None] | None = None
    ) -> Pages[Any]:
        return Pages(self, path, query, headers)


class AsyncClientBase(_Caller[httpx.AsyncClient]):
    """Use as an asynchronous context manager, or call ``close``."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    def _connections(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(**options)

    async def _send(self, **request: Any) -> httpx.Response:
        return await self.http.request(**request)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _call(self, *request: Any, **options: Any) -> Any:
        return await self._exchange(*request, **options)

    def _pages(
        self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str | None] | None = None
    ) -> AsyncPages[Any]:
        return AsyncPages(self, path, query, headers)
