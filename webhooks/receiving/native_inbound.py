"""Serve POST ``/in/<source>/`` as a coroutine in the event loop of our web server.

No thread waits for anything: the source comes from the process's snapshot, the body is awaited, the commit is a future
that many requests share. What blocks on files runs on threads with shares for each tenant. For the same in a Django
view see ``inbound_view``; both wrap ``receive``.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from http import HTTPStatus
from typing import TypeVar

from django.db import Error as DatabaseError

from webhooks import metrics, telemetry
from webhooks.kit.encryption import CannotDecrypt
from webhooks.kit.fair.futures import await_future
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.native_request import NativeRequest, NativeResponse
from webhooks.kit.process.per_process import PerProcess
from webhooks.receiving.receive import UNAVAILABLE_SECONDS, receive
from webhooks.receiving.responses import InboundResponse
from webhooks.sources.snapshot import SourceLookup

STORAGE_THREADS = 8  # for bodies above 64 KiB: hash, write, sync, upload

T = TypeVar("T")


async def receive_native(request: NativeRequest) -> NativeResponse:
    """Respond to a message. ``receive`` lists the statuses."""
    began = time.monotonic()
    response, scheme = await _respond(request)
    metrics.count_request(scheme, response.status, time.monotonic() - began)
    headers, body = response.headers_and_body()
    return NativeResponse(response.status, body, headers)


async def _respond(request: NativeRequest) -> tuple[InboundResponse, str]:
    """Return the response, and the scheme of the source, which is empty if there is none."""
    name = request.path.removeprefix("/in/").removesuffix("/")
    try:
        source = await _sources.find(name, request.share)
    except (DatabaseError, CannotDecrypt, ShareExceeded) as error:
        telemetry.log_not_stored(name, error)
        return InboundResponse(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=UNAVAILABLE_SECONDS), ""
    if source is None:
        return InboundResponse(HTTPStatus.NOT_FOUND), ""
    return await receive(source, request, _EventLoop()), source.scheme


class _EventLoop:
    """Wait in the event loop."""

    max_slow: int | None = None

    async def wait(self, future: "Future[T]", seconds: float | None = None) -> T:
        """Return the result of a future, or raise its exception; TimeoutError after ``seconds``."""
        if seconds is None:
            return await await_future(future)
        async with asyncio.timeout(seconds):
            return await await_future(future)

    async def run(self, share: Hashable, work: Callable[[], T]) -> T:
        """Return the result of work that blocks, from one of the threads. Raises ShareExceeded."""
        return await storage_threads().run(share, work)


storage_threads = PerProcess(lambda: FairThreads(STORAGE_THREADS, "storage"))
"""The threads of this process on which large bodies are written."""

_sources = SourceLookup()
