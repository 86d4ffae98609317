"""The door of senders: ``/in/<source>/``, a plain view without REST framework, sessions or CSRF tokens.

Errors have no body: whoever cannot prove who they are learns nothing but the status (``receive`` lists them). A deleted
source is a 404 to them, like one that never was; only a message that its sender signed is told 410.
"""

from typing import cast

import orjson
from django.core.handlers.wsgi import WSGIRequest
from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks import telemetry
from webhooks.kit.encryption import CannotDecrypt
from webhooks.receiving.challenges import ChallengeRejected, respond_to_challenge
from webhooks.receiving.receive import DOWN_FOR, receive
from webhooks.receiving.rejections import Refusal, record_rejection
from webhooks.receiving.request_body import BadLength, NoLength, read_request
from webhooks.receiving.responses import InboundResponse
from webhooks.sources.snapshot import SourceSnapshot, find_source
from webhooks.wire.cloudevents import handshake
from webhooks.wire.errors import SignatureError


@csrf_exempt
@transaction.non_atomic_requests
def inbound(request: HttpRequest, source: str) -> HttpResponse:
    """POST a message; OPTIONS asks for consent (CloudEvents webhooks, section 4); GET is a challenge, where the
    provider has such."""
    if request.method not in ("POST", "OPTIONS", "GET"):
        return _counted(_not_here())
    try:
        known = find_source(source)
    except (DatabaseTrouble, CannotDecrypt) as error:
        telemetry.log_not_stored(source, error)
        return _counted(_respond(InboundResponse(503, retry_after=DOWN_FOR)))
    if known is None or (known.deleted_at is not None and request.method != "POST"):
        return _counted(HttpResponse(status=404))
    if request.method == "OPTIONS":
        return _consent(request, known)
    if request.method == "GET":
        return _counted(_challenged(request, known))
    try:
        answer = receive(known, read_request(cast(WSGIRequest, request)))
    except BadLength:
        answer = InboundResponse(400)
    except NoLength:
        answer = InboundResponse(411)
    return _counted(_respond(answer))


def _respond(answer: InboundResponse) -> HttpResponse:
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    if answer.text and answer.status != 204:
        # The owner's text on our address: whatever it is, no browser runs it.
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        headers["X-Content-Type-Options"] = "nosniff"
        return HttpResponse(answer.text, answer.content_type, answer.status, headers=headers)
    if answer.body is not None and answer.status != 204:
        return HttpResponse(orjson.dumps(answer.body), "application/json", answer.status, headers=headers)
    return HttpResponse(status=answer.status, headers=headers)


def _consent(request: HttpRequest, source: SourceSnapshot) -> HttpResponse:
    """Whoever knows the address may send to it; what they send must be signed all the same."""
    headers = handshake.response_headers(request.headers, origins=source.allowed_origins, rate=source.rate_per_minute)
    return HttpResponse(status=200, headers=headers)


def _challenged(request: HttpRequest, source: SourceSnapshot) -> HttpResponse:
    """Answered while paused, too: the provider asks whether somebody is at home."""
    secrets = [secret.text for secret in source.active_secrets(timezone.now())]
    try:
        answer = respond_to_challenge(source, request.GET.dict(), secrets)
    except (ChallengeRejected, SignatureError) as error:
        address = str(request.META.get("REMOTE_ADDR", ""))[:64]
        record_rejection(source.id, Refusal("challenge", str(error) or str(ChallengeRejected.__doc__)), {}, address)
        return HttpResponse(status=403)
    if answer is None:
        return _not_here()
    if isinstance(answer, str):
        return HttpResponse(answer, "text/plain; charset=utf-8")
    return HttpResponse(orjson.dumps(answer), "application/json")


def _not_here() -> HttpResponse:
    return HttpResponse(status=405, headers={"Allow": "POST, OPTIONS"})


def _counted(response: HttpResponse) -> HttpResponse:
    """Refusals are counted and sampled, not logged: Django would write a line for each, and a flood fills disks."""
    response._has_been_logged = True  # type: ignore[attr-defined]
    telemetry.count_request(str(response.status_code))
    return response
