"""Serve ``/in/<source>/``: a plain Django view without REST framework, sessions or CSRF tokens.

An error response has no body, so that a sender without a valid signature learns only the status; ``receive`` lists
the statuses. A deleted source responds 404 like an unknown one, and 410 only to a message with a valid signature.
"""

from http import HTTPStatus
from typing import cast

import orjson
from django.core.handlers.wsgi import WSGIRequest
from django.db import Error as DatabaseError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks import telemetry
from webhooks.kit.encryption import CannotDecrypt
from webhooks.models import Rejection
from webhooks.receiving.challenges import ChallengeRejected, respond_to_challenge
from webhooks.receiving.receive import UNAVAILABLE_SECONDS, receive
from webhooks.receiving.rejections import record_rejection
from webhooks.receiving.request_body import InvalidLength, LengthMissing, read_request
from webhooks.receiving.responses import InboundResponse
from webhooks.sources.snapshot import SourceSnapshot, find_source
from webhooks.wire.cloudevents import handshake
from webhooks.wire.errors import SignatureError


@csrf_exempt
@transaction.non_atomic_requests
def inbound(request: HttpRequest, source: str) -> HttpResponse:
    """Respond to a message (POST), a challenge (GET), or a handshake (OPTIONS; CloudEvents webhooks, section 4)."""
    if request.method not in ("POST", "OPTIONS", "GET"):
        return _count(_method_not_allowed())
    try:
        snapshot = find_source(source)
    except (DatabaseError, CannotDecrypt) as error:
        telemetry.log_not_stored(source, error)
        return _count(_render(InboundResponse(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=UNAVAILABLE_SECONDS)))
    if snapshot is None or (snapshot.deleted_at is not None and request.method != "POST"):
        return _count(HttpResponse(status=HTTPStatus.NOT_FOUND))
    if request.method == "OPTIONS":
        return _handshake(request, snapshot)
    if request.method == "GET":
        return _count(_challenge(request, snapshot))
    return _count(_render(_receive(request, snapshot)))


def _receive(request: HttpRequest, source: SourceSnapshot) -> InboundResponse:
    try:
        return receive(source, read_request(cast(WSGIRequest, request)))
    except InvalidLength:
        return InboundResponse(HTTPStatus.BAD_REQUEST)
    except LengthMissing:
        return InboundResponse(HTTPStatus.LENGTH_REQUIRED)


def _handshake(request: HttpRequest, source: SourceSnapshot) -> HttpResponse:
    """Permit the requesting origin to send. Needs no authentication, because its messages must still be signed."""
    headers = handshake.response_headers(request.headers, origins=source.allowed_origins, rate=source.rate_per_minute)
    return HttpResponse(status=HTTPStatus.OK, headers=headers)


def _challenge(request: HttpRequest, source: SourceSnapshot) -> HttpResponse:
    """Respond to the challenge of a provider, even if the source is paused. Rejected challenges are recorded."""
    secrets = [secret.text for secret in source.active_secrets(timezone.now())]
    try:
        response = respond_to_challenge(source, request.GET.dict(), secrets)
    except (ChallengeRejected, SignatureError) as error:
        address = str(request.META.get("REMOTE_ADDR", ""))[:64]
        record_rejection(Rejection(source_id=source.id, reason="challenge", detail=str(error), remote_address=address))
        return HttpResponse(status=HTTPStatus.FORBIDDEN)
    if response is None:
        return _method_not_allowed()
    if isinstance(response, str):
        return HttpResponse(response, "text/plain; charset=utf-8")
    return HttpResponse(orjson.dumps(response), "application/json")


def _method_not_allowed() -> HttpResponse:
    return HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST, OPTIONS"})


def _render(response: InboundResponse) -> HttpResponse:
    headers = {} if response.retry_after is None else {"Retry-After": str(response.retry_after)}
    if response.text and response.status != HTTPStatus.NO_CONTENT:
        # The tenant chose this text, but it is served from our domain: a browser must not run scripts in it.
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        headers["X-Content-Type-Options"] = "nosniff"
        return HttpResponse(response.text, response.content_type, response.status, headers=headers)
    if response.json is not None and response.status != HTTPStatus.NO_CONTENT:
        return HttpResponse(orjson.dumps(response.json), "application/json", response.status, headers=headers)
    return HttpResponse(status=response.status, headers=headers)


def _count(response: HttpResponse) -> HttpResponse:
    """Count the response in the metrics, and mark it as logged.

    Otherwise Django would log every rejected request, and a flood of them could fill the disk.
    """
    response._has_been_logged = True  # type: ignore[attr-defined]
    telemetry.count_request(str(response.status_code))
    return response
