"""Respond to the requests that a request inspector receives, and keep them.

A response that is delayed suspends its request, so that it holds no thread (``webhooks.kit.suspend``).
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from http import HTTPStatus
from math import ceil
from typing import NamedTuple

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException

from subscriptions.inspectors.inspectors import find_inspector
from subscriptions.inspectors.requests import Arrival, keep_request, seconds_to_wait
from subscriptions.models import Inspector
from webhooks.kit.fair.shares import Shares
from webhooks.kit.rest.limited_body import read_raw_body
from webhooks.kit.suspend import wait_for
from webhooks.outgoing.event_loop import event_loop
from webhooks.wire.header_values import lowered

MAX_BODY = 16 * 1024 * 1024  # bytes of a request; a larger one gets 413
MAX_DELAYED = 512  # responses that are delayed at a time, in each web process; each tenant has a share of them
VERIFICATION_TYPE = "waypost.endpoint.verification"  # of the event whose receiver sends its challenge back
HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Content-Security-Policy": "default-src 'none'"}

_delayed = Shares("delayed responses", MAX_DELAYED)


class Reply(NamedTuple):
    """The response to a request."""

    status: int
    text: str
    headers: Mapping[str, str] = {}


@csrf_exempt
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Respond as the inspector says, after the delay that it says; 404 if there is none, or it has expired."""
    inspector = find_inspector(token=token)
    if inspector is None:
        reply = Reply(HTTPStatus.NOT_FOUND, "There is no inspector at this address, or it has expired.")
    else:
        reply = wait_for(lambda: _keep(inspector, request))
    headers = {"Content-Type": "text/plain; charset=utf-8", **HEADERS, **reply.headers}
    return HttpResponse(f"{reply.text}\n", status=reply.status, headers=headers)


def _keep(inspector: Inspector, request: HttpRequest) -> "Future[Reply]":
    """Keep the request, once, and return the reply as a future that is done after the delay."""
    if seconds := seconds_to_wait(inspector):
        return _done(
            Reply(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many requests for this inspector; this one was not kept.",
                {"Retry-After": str(ceil(seconds))},
            )
        )
    try:
        body = read_raw_body(request, MAX_BODY)
    except APIException as error:
        return _done(Reply(error.status_code, str(error.detail)))
    keep_request(inspector, Arrival(str(request.method), request.get_full_path(), lowered(request.headers), body))
    return _after_delay(inspector, Reply(inspector.response_status, _challenge_in(body) or "kept"))


def _after_delay(inspector: Inspector, reply: Reply) -> "Future[Reply]":
    """Return the reply after the inspector's delay; without one if the tenant has too many delayed responses."""
    if not inspector.response_delay_ms or not _delayed.take(inspector.tenant_id):
        return _done(reply)
    work = asyncio.sleep(inspector.response_delay_ms / 1000, reply)
    delayed = asyncio.run_coroutine_threadsafe(work, event_loop())
    delayed.add_done_callback(lambda _: _delayed.release(inspector.tenant_id))
    return delayed


def _done(reply: Reply) -> "Future[Reply]":
    future: Future[Reply] = Future()
    future.set_result(reply)
    return future


def _challenge_in(body: bytes) -> str:
    """Return the challenge of the event that verifies an endpoint, which its receiver has to send back."""
    if VERIFICATION_TYPE.encode() not in body:
        return ""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    data = event.get("data") if isinstance(event, dict) and event.get("type") == VERIFICATION_TYPE else None
    challenge = data.get("challenge") if isinstance(data, dict) else None
    return challenge if isinstance(challenge, str) else ""
