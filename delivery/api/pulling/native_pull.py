"""Pull messages without a thread: ``GET /api/v1/endpoints/{ref}/messages/`` as a native view.

Looking for messages runs on a thread, for as long as its statements take; waiting for them does not. Errors and content
are those of the view ``messages.Messages``.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.core.handlers.wsgi import WSGIRequest
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request

from delivery.api.pulling.event_stream import BEGIN, COMMENT, EVENT_STREAM, LAST_EVENT_ID, as_events
from delivery.api.pulling.messages import Messages, shown
from delivery.api.pulling.pull_params import PullParams, check_is_pulled, start_of
from delivery.pulling.cursor import Cursor
from delivery.pulling.pull import Pulled, pull, release
from delivery.pulling.waiting import FALLBACK, waiters
from subscriptions.api.authentication import principal_of
from subscriptions.api.native_authentication import authenticate_natively
from subscriptions.api.tenancy import HEADER, endpoints_of, tenant_id_of
from subscriptions.models import ApiKey, Endpoint, Scope
from subscriptions.tenants.keys import share_of
from webhooks.kit.fair.futures import await_future
from webhooks.kit.fair.shares import Shares
from webhooks.kit.fair.threads import request_threads
from webhooks.kit.native_request import NativeRequest, NativeResponse, NativeStream
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE

R = TypeVar("R")
PATH = re.compile(r"/api/v1/endpoints/([^/]+)/messages/?")
MAY_PULL = Messages.required_permissions["GET"]
WAITING = Shares("requests that wait for messages", 4096)
COMMENT_EVERY = 15.0  # seconds without a message after which a stream says that it lasts, and its key is checked again
LONGEST_STREAM = 3_600.0  # seconds; the client connects again
SHORTEST_WAIT = 0.01  # seconds between two looks


def endpoint_of_path(path: str) -> str | None:
    """Return the id or uid of the endpoint whose messages are at this path; None for any other path."""
    found = PATH.fullmatch(path)
    return None if found is None else found[1]


async def pull_natively(request: NativeRequest) -> NativeResponse | NativeStream:
    """Hand out messages. Raises APIException, ShareExceeded and errors of the app, as the view does."""
    key = await authenticate_natively(request, Scope.CONSUME, MAY_PULL)
    share = share_of(key)
    consumer = await _run(share, partial(_consumer_of, request, key))
    gone = asyncio.ensure_future(request.gone())
    try:
        if not consumer.is_stream:
            with WAITING.hold(share):
                pulled = await consumer.next_messages(consumer.wait, gone)
            return NativeResponse(200, orjson.dumps(shown(pulled)), {"content-type": "application/json", **NO_STORE})
        first = await consumer.look()
    except BaseException:
        gone.cancel()
        raise
    return NativeStream(200, _events(request, consumer, first, gone), {"content-type": EVENT_STREAM, **NO_STORE})


async def _run(share: Hashable, work: Callable[[], R]) -> R:
    return await request_threads().run(share, work)


@dataclass(slots=True)
class Consumer:
    """One consumer that asks: ``after`` is its position. ``is_resumed``: what it was handed out behind it is lost."""

    endpoint_id: UUID
    share: Hashable
    limit: int
    wait: float
    after: Cursor | None
    is_stream: bool
    is_resumed: bool = True

    async def look(self) -> Pulled:
        """Hand out what there is now, and advance. Raises NotFound if the endpoint was deleted."""
        work = partial(pull, self.endpoint_id, self.limit, self.after, is_resumed=self.is_resumed)
        try:
            pulled = await _run(self.share, work)
        except Endpoint.DoesNotExist:
            raise NotFound from None
        self.after, self.is_resumed = pulled.cursor, False
        return pulled

    async def next_messages(self, seconds: float, gone: "asyncio.Future[None]") -> Pulled:
        """Hand out messages as soon as there are any, within ``seconds``, or until the client is gone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        before = self.after
        pulled = await self.look()
        while not pulled.messages and loop.time() < until and not gone.done():
            waiter = waiters().wait(self.endpoint_id, FALLBACK)
            before = self.after
            pulled = await self.look()  # again: it may have been published before the wait began
            if not pulled.messages:
                longest = FALLBACK if pulled.wait is None else max(pulled.wait, SHORTEST_WAIT)
                notified = asyncio.ensure_future(await_future(waiter))
                timeout = min(longest, max(until - loop.time(), 0.0))
                await asyncio.wait((notified, gone), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                notified.cancel()
            waiter.cancel()
        if pulled.messages and gone.done() and before is not None:
            await _run(self.share, partial(release, self.endpoint_id, before))
        return pulled


def _consumer_of(request: NativeRequest, key: ApiKey) -> Consumer:
    """Return the consumer that a request is of. On a thread. Raises as the view."""
    read = _as_django(request, key)
    params: dict[str, Any] = dict(PullParams.read(read).validated_data)
    endpoint = require(
        endpoints_of(read), endpoint_of_path(request.path) or "", of_all_tenants=tenant_id_of(read) is None
    )
    check_is_pulled(endpoint)
    return Consumer(
        endpoint.pk,
        share_of(key),
        params["limit"],
        params["wait"],
        start_of(params, request.headers.get(LAST_EVENT_ID.lower())),
        EVENT_STREAM in request.headers.get("accept", ""),
    )


def _as_django(request: NativeRequest, key: ApiKey) -> Request:
    """Return the parts of a request that say which endpoint is meant, for the functions that views use."""
    named = request.headers.get(HEADER.lower())
    environ = {"REQUEST_METHOD": request.method, "QUERY_STRING": request.query_string, "wsgi.input": BytesIO()}
    read = Request(WSGIRequest(environ if named is None else {**environ, "HTTP_WAYPOST_TENANT": named}))
    read.auth = principal_of(key)
    return read


async def _events(
    request: NativeRequest, consumer: Consumer, first: Pulled, gone: "asyncio.Future[None]"
) -> AsyncIterator[bytes]:
    """Yield what comes, until the client is gone, its key or the endpoint ends, or for LONGEST_STREAM seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LONGEST_STREAM
    try:
        with WAITING.hold(consumer.share):
            yield BEGIN + as_events(first)
            while loop.time() < until and not gone.done():
                try:
                    await authenticate_natively(request, Scope.CONSUME, MAY_PULL)
                    pulled = await consumer.next_messages(COMMENT_EVERY, gone)
                except APIException:
                    return
                yield as_events(pulled) or COMMENT
    finally:
        gone.cancel()
