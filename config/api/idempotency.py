"""A POST to the API with an ``Idempotency-Key`` takes place once (see ``subscriptions.tenants.idempotency``).

The view runs in the transaction in which its answer is kept, and a request that fails for whatever reason is rolled
back as a whole. A view that looks a name up does so before it writes, so what stays open meanwhile holds a lock on the
key and nothing else.

A view with ``outside_transaction`` runs in none: it calls an endpoint, which may take its time and call back, or it
works through more rows than anybody should wait for. Its answer is kept after it. It has to be one that does no harm
should it take place again, which is what happens if its process is killed in between.
"""

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.exceptions import APIException, AuthenticationFailed

from config.api import errors
from subscriptions.api.authentication import ApiKeyAuthentication, Principal
from subscriptions.api.tenancy import HEADER, problem_of
from subscriptions.errors import Invalid, StateConflict
from subscriptions.tenants.idempotency import (
    IdempotentRequest,
    KeyReused,
    RecordedResponse,
    begin_in_transaction,
    begin_outside_transaction,
    read_key,
    store_response,
)
from webhooks.kit.limited_body import read_body

__all__ = ["REPLAYED", "Idempotency"]

FIELD = "HTTP_IDEMPOTENCY_KEY"
REPLAYED = "Idempotency-Replayed"
KEPT_HEADERS = ("Content-Type", "Cache-Control", "ETag", "Location")
MOMENT = 1  # seconds until another try makes sense, while the first is under way


class AnotherRequest(APIException):
    """422 (the draft's section 2.6): this key belongs to another request."""

    status_code = 422
    default_code = "idempotency_key_reused"


class Idempotency:
    """The middleware. Without the header, or a key that opens anything, it does nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or FIELD not in request.META or not request.path_info.startswith("/api/"):
            return self.get_response(request)
        asker = _principal(request)
        if asker is None:
            return self.get_response(request)
        once = self.once_beside if _is_outside(request) else self.once
        try:
            return once(request, _call(request, asker))
        except (Invalid, APIException) as error:
            return errors.answer(request, _problem(error))

    def once(self, request: HttpRequest, call: IdempotentRequest) -> HttpResponse:
        """The answer, given now or before."""
        with transaction.atomic():
            kept = begin_in_transaction(call)
            if kept is not None:
                return _again(kept)
            response = self.get_response(request)
            if not _keep(call, response):
                transaction.set_rollback(True)
        return response

    def once_beside(self, request: HttpRequest, call: IdempotentRequest) -> HttpResponse:
        """The same outside any transaction."""
        with begin_outside_transaction(call) as kept:
            if kept is not None:
                return _again(kept)
            response = self.get_response(request)
            _keep(call, response)
        return response


def _again(kept: RecordedResponse) -> HttpResponse:
    return HttpResponse(kept.body, status=kept.status, headers={**kept.headers, REPLAYED: "true"})


def _keep(call: IdempotentRequest, response: HttpResponse) -> bool:
    """Keep the answer if it is a success."""
    if response.status_code >= 300 or response.streaming:
        return False
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    store_response(call, RecordedResponse(response.status_code, headers, response.content))
    return True


def _is_outside(request: HttpRequest) -> bool:
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return bool(getattr(getattr(view, "cls", None), "outside_transaction", False))


def _principal(request: HttpRequest) -> Principal | None:
    """Whose request it is; None: nobody's, which the view will say."""
    try:
        found = ApiKeyAuthentication().authenticate(request)
    except AuthenticationFailed:
        return None
    return found and found[1]


def _call(request: HttpRequest, asker: Principal) -> IdempotentRequest:
    """What makes this request the same as another: who may do what, about which tenant, where, and all it says."""
    named = request.headers.get(HEADER, ""), request.GET.get("tenant", "")
    whose = str(asker.tenant_id or "operator"), ",".join(sorted(asker.scopes)), *named
    about = sorted(f"{name}: {value}" for name, value in request.headers.items() if name.lower().startswith("ce-"))
    said = request.META.get("QUERY_STRING", ""), request.META.get("CONTENT_TYPE", ""), *about
    content = *(text.encode(errors="surrogateescape") for text in said), _body(request)
    return IdempotentRequest.of(read_key(request.META[FIELD]), caller=whose, path=request.path_info, content=content)


def _body(request: HttpRequest) -> bytes:
    """The whole body, which the view can read again."""
    body = read_body(request, settings.WAYPOST_MAX_REQUEST_BYTES)
    request._body, request._stream = body, BytesIO(body)
    request.META["CONTENT_LENGTH"] = str(len(body))
    request.META.pop("HTTP_TRANSFER_ENCODING", None)
    return body


def _problem(error: Invalid | APIException) -> APIException:
    if isinstance(error, APIException):
        return error
    if isinstance(error, KeyReused):
        return AnotherRequest(error.message)
    known = problem_of(error)
    if isinstance(error, StateConflict):
        known.wait = MOMENT
    return known
