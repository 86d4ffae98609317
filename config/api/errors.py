"""What all REST doors share: strict JSON in, and every error a problem (RFC 9457).

A problem is made in one place, `_problem`, whoever noticed it: a serializer, REST framework, Django, the database.
A validation error names each field; an authorization error tells nothing; an error of ours shows no internals.
"""

import sys
from collections.abc import Iterator
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.wire.json_text import nests_deeper

PROBLEM = "application/problem+json"
MOST_LEVELS = 128  # of nesting in a body: far from every recursion limit
RETRY_AFTER = 2  # seconds; how long a restart of the database takes, more or less
_BACK_SOON = {"Retry-After": str(RETRY_AFTER)}


class TooLarge(exceptions.APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class Unavailable(exceptions.APIException):
    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The database cannot be reached right now; try again: an event that keeps its id is taken once."
    default_code = "unavailable"


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler; None for an error of ours, which `failed` answers and Django logs."""
    request: Request = context["request"]
    known = _as_api_exception(error)
    if known is None:
        return None
    body, headers = _problem(known, in_body=request.method not in SAFE_METHODS)
    return Response(body, known.status_code, headers=headers, content_type=PROBLEM)


def _as_api_exception(error: BaseException | None) -> exceptions.APIException | None:
    match error:
        case exceptions.APIException():
            return error
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case OperationalError() | InterfaceError():
            return Unavailable()
        case RequestDataTooBig():
            return TooLarge(f"A request may have {settings.WAYPOST_MAX_REQUEST_BYTES} bytes at most.")
        case DataError() | UnreadablePostError() | SuspiciousOperation():
            return exceptions.ParseError("The request holds a value that cannot be taken.")
    return None


def _problem(error: exceptions.APIException, *, in_body: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """The members of RFC 9457, section 3.1, with `errors` as in its section 3; and the headers that go along."""
    code = str(getattr(error, "default_code", "error"))
    status = HTTPStatus(error.status_code)
    body = {"type": f"urn:waypost:problem:{code}", "title": status.phrase, "status": int(status)}
    if isinstance(error, exceptions.ValidationError):
        body["errors"] = list(_field_errors(error.detail, (), in_body))
        body["detail"] = "; ".join(f"{e['field']}: {e['detail']}".lstrip(": ") for e in body["errors"])
    else:
        body["detail"] = str(error.detail)
    body.update(getattr(error, "members", {}))  # of its own (RFC 9457, section 3.2)
    headers = dict(_BACK_SOON) if isinstance(error, Unavailable) else {}
    if getattr(error, "wait", None) is not None:
        headers["Retry-After"] = str(ceil(error.wait))
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    return body, headers


def _field_errors(detail: Any, path: tuple[str | int, ...], in_body: bool) -> Iterator[dict[str, str]]:
    """Every leaf of REST framework's tree of errors, with the way to it: names, and positions in lists."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = () if name == "non_field_errors" else (name,)
            yield from _field_errors(inner, (*path, *own), in_body)
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            own = () if isinstance(inner, str) else (position,)
            yield from _field_errors(inner, (*path, *own), in_body)
    else:
        found = {"field": ".".join(map(str, path)), "detail": str(detail)}
        code = str(getattr(detail, "code", None) or "")  # a place within the field, where it is a document of its own
        inside = code if code.startswith("/") else ""
        yield {**found, "pointer": _pointer(path) + inside} if in_body else found


def _pointer(path: tuple[str | int, ...]) -> str:
    """A JSON pointer as a URI fragment (RFC 6901, sections 3 and 6)."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def answer(request: HttpRequest, error: exceptions.APIException) -> HttpResponse:
    """The problem, from where no view is."""
    body, headers = _problem(error, in_body=request.method not in SAFE_METHODS)
    return HttpResponse(orjson.dumps(body), content_type=PROBLEM, status=error.status_code, headers=headers)


def _speaks_json(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith(("/api/", "/in/"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: an address that is none of ours."""
    if not _speaks_json(request):
        return defaults.page_not_found(request, exception)
    hint = "" if request.path_info.endswith("/") else " The addresses of the API end with a slash."
    return answer(request, exceptions.NotFound(f"There is nothing at {request.path_info}.{hint}"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: what it refuses before a view is asked."""
    known = _as_api_exception(exception)
    if known is None or not _speaks_json(request):
        return defaults.bad_request(request, exception)
    return answer(request, known)


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500; the error itself is in the log. A database that is away is no error of ours."""
    known = _as_api_exception(sys.exc_info()[1])
    if known is None:
        known = exceptions.APIException("Something went wrong on our side; it has been logged.")
    if _speaks_json(request):
        return answer(request, known)
    if isinstance(known, Unavailable):
        return HttpResponse(str(known.detail), content_type="text/plain", status=503, headers=_BACK_SOON)
    return defaults.server_error(request)


class JsonBody(JSONParser):
    """JSON as RFC 8259 has it and not one byte past the limit: no NaN, no lone surrogates, no bottomless nesting."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        most = settings.WAYPOST_MAX_REQUEST_BYTES
        body = stream.read(most + 1)
        if len(body) > most:
            raise TooLarge(f"A request may have {most} bytes at most.")
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(f"This is not JSON: {error}.") from None
        if nests_deeper(body, MOST_LEVELS):
            raise exceptions.ParseError(f"This is nested more than {MOST_LEVELS} levels deep.")
        return parsed
