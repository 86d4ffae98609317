"""Run a POST to the API with an ``Idempotency-Key`` once (see ``subscriptions.tenants.idempotency``).

The view runs in the transaction that records its response; a request that fails is rolled back as a whole. A view that
resolves a host name does so before it writes: the request is suspended, its transaction rolled back, and begun anew
when the name is there (``webhooks.kit.suspend``).

A view with ``outside_transaction`` runs in no transaction: it calls an endpoint, which may be slow and call back, or it
works through many rows. Its response is recorded afterwards. If the process is killed in between, a retry runs it
again, and so does the same request that arrives while the first is suspended; it must do no harm twice.
"""

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.exceptions import APIException, AuthenticationFailed

from subscriptions.api.authentication import ApiKeyAuthentication, Principal
from subscriptions.api.conventions.errors import problem_response
from subscriptions.api.problems import problem_of
from subscriptions.api.tenancy import HEADER
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
from webhooks.kit.rest.limited_body import read_body

FIELD = "HTTP_IDEMPOTENCY_KEY"
REPLAYED = "Idempotency-Replayed"
RECORDED_HEADERS = ("Content-Type", "Cache-Control", "ETag", "Location")
RETRY_AFTER = 1  # seconds, while the first request is in progress


class AnotherRequest(APIException):
    """422 (section 2.6 of the draft): this key was used for another request."""

    status_code = 422
    default_code = "idempotency_key_reused"


class Idempotency:
    """Middleware that runs a POST with an ``Idempotency-Key`` and a valid API key once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or FIELD not in request.META or not request.path_info.startswith("/api/"):
            return self.get_response(request)
        principal = principal_of(request)
        if principal is None:
            return self.get_response(request)
        run = self.run_outside_transaction if _is_outside_transaction(request) else self.run_in_transaction
        try:
            return run(request, _idempotent_request(request, principal))
        except (Invalid, APIException) as error:
            return problem_response(request, _api_error(error))

    def run_in_transaction(self, request: HttpRequest, call: IdempotentRequest) -> HttpResponse:
        """Return the recorded response, or run the view and record its response, in one transaction."""
        with transaction.atomic():
            recorded = begin_in_transaction(call)
            if recorded is not None:
                return _replayed(recorded)
            response = self.get_response(request)
            if not _record(call, response):
                transaction.set_rollback(True)
        return response

    def run_outside_transaction(self, request: HttpRequest, call: IdempotentRequest) -> HttpResponse:
        """Return the recorded response, or run the view and record its response afterwards."""
        with begin_outside_transaction(call) as recorded:
            if recorded is not None:
                return _replayed(recorded)
            response = self.get_response(request)
            _record(call, response)
        return response


def _replayed(recorded: RecordedResponse) -> HttpResponse:
    return HttpResponse(recorded.body, status=recorded.status, headers={**recorded.headers, REPLAYED: "true"})


def _record(call: IdempotentRequest, response: HttpResponse) -> bool:
    """Record the response if it is a success; return whether it was."""
    if response.status_code >= 300 or response.streaming:
        return False
    headers = {name: response[name] for name in RECORDED_HEADERS if name in response}
    store_response(call, RecordedResponse(response.status_code, headers, response.content))
    return True


def _is_outside_transaction(request: HttpRequest) -> bool:
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return bool(getattr(getattr(view, "cls", None), "outside_transaction", False))


def principal_of(request: HttpRequest) -> Principal | None:
    """Return the principal of the API key; None without a valid one, which the view reports."""
    try:
        found = ApiKeyAuthentication().authenticate(request)  # type: ignore[arg-type]  # it reads only headers
    except AuthenticationFailed:
        return None
    return found and found[1]


def _idempotent_request(request: HttpRequest, principal: Principal) -> IdempotentRequest:
    """Return what identifies the request: its key, who may send it for which tenant, where, and its content."""
    named = request.headers.get(HEADER, ""), request.GET.get("tenant", "")
    owner = str(principal.tenant_id or "platform"), str(principal.endpoint_id or "")
    allowed = ",".join(sorted(principal.scopes)) + (f" as {principal.role}" if principal.role else "")
    caller = *owner, allowed, *named
    attributes = sorted(f"{name}: {value}" for name, value in request.headers.items() if name.lower().startswith("ce-"))
    texts = request.META.get("QUERY_STRING", ""), request.META.get("CONTENT_TYPE", ""), *attributes
    content = *(text.encode(errors="surrogateescape") for text in texts), _body(request)
    return IdempotentRequest.of(read_key(request.META[FIELD]), caller=caller, path=request.path_info, content=content)


def _body(request: HttpRequest) -> bytes:
    """Read the whole body, and leave it for the view to read again."""
    body = read_body(request, settings.WAYPOST_MAX_REQUEST_BYTES)
    request._body, request._stream = body, BytesIO(body)  # the cache of the body in Django
    request.META["CONTENT_LENGTH"] = str(len(body))
    request.META.pop("HTTP_TRANSFER_ENCODING", None)
    return body


def _api_error(error: Invalid | APIException) -> APIException:
    if isinstance(error, APIException):
        return error
    if isinstance(error, KeyReused):
        return AnotherRequest(error.message)
    known = problem_of(error)
    if isinstance(error, StateConflict):
        known.wait = RETRY_AFTER  # type: ignore[attr-defined]  # read by subscriptions.api.conventions.errors
    return known
