"""Serve ``/in/<source>/`` as a plain Django view, under WSGI and ASGI: without REST framework, sessions or CSRF tokens.

In other projects it serves all methods. Our own web server has messages (POST) served by ``native_inbound``, so that
they hold no thread; both wrap ``receive``.

The body of an error says no more than its status (``responses``), which is all that a sender without a valid signature
learns; ``receive`` lists the statuses. A deleted source responds 404 like an unknown one, and 410 only to a message
with a valid signature.
"""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from http import HTTPStatus
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from webhooks import metrics, telemetry
from webhooks.kit.encryption import CannotDecrypt
from webhooks.kit.native_request import NativeRequest
from webhooks.receiving.django_request import InvalidLength, LengthUnknown, read_head, run_blocking
from webhooks.receiving.handshakes.challenges import finish_handshake, handshake_reply
from webhooks.receiving.receive import UNAVAILABLE_SECONDS, receive
from webhooks.receiving.rejections import record_rejection
from webhooks.receiving.responses import InboundResponse
from webhooks.receiving.verification import CHALLENGE
from webhooks.senders.handshake import HandshakeRejected
from webhooks.sources.snapshot import SourceSnapshot, find_source
from webhooks.wire.cloudevents import handshake
from webhooks.wire.errors import SignatureError

MAX_SLOW = 4  # slow bodies of one source and process, because each occupies a thread of the server

T = TypeVar("T")


@csrf_exempt
def inbound(request: HttpRequest, source: str) -> HttpResponse:
    """Respond to a message (POST), a challenge (GET, HEAD), or a handshake (OPTIONS; CloudEvents webhooks)."""
    began = time.monotonic()
    response, scheme = _respond(request, source)
    if request.method != "OPTIONS":
        metrics.count_request(scheme, response.status_code, time.monotonic() - began)
        # Django would log every rejected request, and a flood of them could fill the disk.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _respond(request: HttpRequest, source: str) -> tuple[HttpResponse, str]:
    """Return the response, and the scheme of the source, which is empty if there is none."""
    if request.method not in ("POST", "OPTIONS", "GET", "HEAD"):
        return _render(_method_not_allowed()), ""
    try:
        snapshot = find_source(source)
    except (DatabaseError, CannotDecrypt) as error:
        telemetry.log_not_stored(source, error)
        return _render(InboundResponse(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=UNAVAILABLE_SECONDS)), ""
    if snapshot is None or (snapshot.deleted_at is not None and request.method != "POST"):
        return _render(InboundResponse(HTTPStatus.NOT_FOUND)), ""
    if request.method == "OPTIONS":
        return _handshake(request, snapshot), snapshot.scheme
    return _render(respond(request, snapshot)), snapshot.scheme


for _alias in connections:  # ATOMIC_REQUESTS would undo what is stored if a later middleware fails
    transaction.non_atomic_requests(using=_alias)(inbound)


def respond(request: HttpRequest, source: SourceSnapshot) -> InboundResponse:
    """Respond to a message (POST) or a challenge (GET, HEAD) for this source."""
    try:
        native = read_head(request)
    except InvalidLength:
        return InboundResponse(HTTPStatus.BAD_REQUEST)
    except LengthUnknown:
        return InboundResponse(HTTPStatus.LENGTH_REQUIRED)
    if request.method in ("GET", "HEAD"):
        return _challenge(native, source)
    return run_blocking(receive(source, native, _Thread()))


class _Thread:
    """Wait in the thread of the request."""

    max_slow: int | None = MAX_SLOW

    async def wait(self, future: "Future[T]", seconds: float | None = None) -> T:
        """Return the result of a future, or raise its exception; TimeoutError after ``seconds``."""
        return future.result(seconds)

    async def run(self, _share: Hashable, work: Callable[[], T]) -> T:
        """Return the result of work that blocks."""
        return work()


def _handshake(request: HttpRequest, source: SourceSnapshot) -> HttpResponse:
    """Permit the requesting origin to send. Needs no authentication, because its messages must still be signed."""
    headers = handshake.response_headers(request.headers, origins=source.allowed_origins, rate=source.rate_per_minute)
    return HttpResponse(status=HTTPStatus.OK, headers=headers)


def _challenge(request: NativeRequest, source: SourceSnapshot) -> InboundResponse:
    """Respond to the challenge of a provider, even if the source is paused. Rejected challenges are recorded."""
    try:
        reply = handshake_reply(source, request)
        if reply is not None:
            return finish_handshake(source, reply)
        if not any(rule.method == request.method for rule in source.handshake_rules):
            return _method_not_allowed()
        raise HandshakeRejected("The request is not one that the handshake of the source describes.")
    except (HandshakeRejected, SignatureError) as error:
        record_rejection(source, request, CHALLENGE, str(error))
        return InboundResponse(HTTPStatus.FORBIDDEN)


def _method_not_allowed() -> InboundResponse:
    return InboundResponse(HTTPStatus.METHOD_NOT_ALLOWED, allow="POST, OPTIONS")


def _render(response: InboundResponse) -> HttpResponse:
    headers, body = response.headers_and_body()
    rendered = HttpResponse(body, status=response.status, headers=headers)
    if not body:
        del rendered.headers["Content-Type"]  # Django's default
    return rendered
