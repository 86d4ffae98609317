"""Render every error of the API as a problem (RFC 9457), and parse JSON bodies strictly.

All problems are built in ``problem_content``, whether a serializer, REST framework, Django or the database reports
the error. A validation error names each field; an authorization error reveals nothing; a server error shows no
internals.
"""

import json
import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from math import ceil
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from psycopg.errors import QueryCanceled
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.conventions.problem_types import problem_members
from subscriptions.api.problems import problem_of
from subscriptions.errors import Invalid
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable
from webhooks.kit.rest.errors import InvalidParameters, TooManyRequests
from webhooks.kit.rest.limited_body import TooLarge
from webhooks.kit.rest.rate_limit_headers import exhausted_header
from webhooks.outgoing.errors import LimitReached
from webhooks.wire.json_text import InvalidJson, duplicate_key, nests_deeper, parse_value

PROBLEM = "application/problem+json"
MAX_JSON_BYTES = 1024 * 1024  # of a body: parsing it takes up to 0.1 s
MAX_DEPTH = 128  # levels of nesting in a body, far below every recursion limit
MAX_ERRORS = 50  # in a problem, however many fields are wrong
MAX_DETAIL = 1_000  # characters of the detail of an error, which may quote a value
MAX_NAME = 256  # characters of a name in an error, which a client may have chosen
LONG_INTEGER = re.compile(rb"[0-9]{19}")
FIELD_CODES: dict[str, str] = {
    "invalid": "The value is invalid for a reason of its own; see `detail`.",
    "required": "The field is missing.",
    "null": "The field must not be null.",
    "blank": "The text must not be empty.",
    "unknown": "Unknown field, parameter or object.",
    "ambiguous": "Fields that exclude each other, or a name that several objects have.",
    "invalid_choice": "The value is none of the choices, which `detail` lists.",
    "max_length": "The value is too long, or has too many items.",
    "min_length": "The value is too short, or has too few items.",
    "max_value": "The number is too large.",
    "min_value": "The number is too small.",
    "mismatch": "A part of the value, at `pointer`, does not match its schema or grammar.",
    "conflict": "Another object has the value, or the current state does not allow it.",
}
"""The machine codes of field errors, with their meanings."""
RETRY_AFTER = 2  # seconds, about the time of a database restart
LIMIT_RETRY_AFTER = 2  # seconds, in which a slow server or name server may have responded
NO_EVALUATOR = "No process that evaluates JSONata expressions is free; retry."
_RETRY_HEADERS = {"Retry-After": str(RETRY_AFTER)}
_WRONG_HOST = "The Host header names a host that is not one of ALLOWED_HOSTS."
_WRONG_VALUE = "The request contains a value that cannot be processed."
_TOO_DEEP = f"Must not be nested more than {MAX_DEPTH} levels deep."
_DUPLICATE = "Duplicate key; must be given once."


class StatementTimeout(exceptions.APIException):
    """503: PostgreSQL cancelled a statement that took too long."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "statement_timeout"
    wait = RETRY_AFTER
    members = {"limit": "WAYPOST_STATEMENT_SECONDS"}

    def __init__(self) -> None:
        super().__init__(
            f"A statement of the database took more than {settings.WAYPOST_STATEMENT_SECONDS} s "
            "(WAYPOST_STATEMENT_SECONDS); narrow the request by a filter, or retry."
        )


class Unavailable(exceptions.APIException):
    """503: the database, or another part of the platform, does not respond."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The database is unavailable; retry. An event that keeps its id is accepted once."
    default_code = "unavailable"


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Handle the exceptions of views for REST framework; None for server errors, which Django logs (``failed``)."""
    request: Request = context["request"]
    known = as_api_exception(error)
    if known is None:
        return None
    body, headers = problem_content(known, in_body=request.method not in SAFE_METHODS)
    return Response(body, known.status_code, headers=headers, content_type=PROBLEM)


def as_api_exception(error: BaseException | None) -> exceptions.APIException | None:
    """Return the error of the API for an exception; None for an error of ours."""
    match error:
        case exceptions.APIException():
            return error
        case Invalid():
            return problem_of(error)
        case LimitReached():
            return TooManyRequests(error.limit, str(error), LIMIT_RETRY_AFTER)
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case OperationalError(__cause__=QueryCanceled()):
            return StatementTimeout()
        case OperationalError() | InterfaceError() | EvaluatorUnavailable():
            return Unavailable(NO_EVALUATOR if isinstance(error, EvaluatorUnavailable) else None)
        case RequestDataTooBig():
            return TooLarge("A request", settings.WAYPOST_MAX_REQUEST_BYTES)
        case DataError() | UnreadablePostError() | SuspiciousOperation():
            return exceptions.ParseError(_WRONG_HOST if isinstance(error, DisallowedHost) else _WRONG_VALUE)
    return None


def problem_content(error: exceptions.APIException, *, in_body: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the members of a problem (RFC 9457, section 3.1; ``errors`` as in section 3) and its headers."""
    code = str(getattr(error, "default_code", "error"))
    status = HTTPStatus(error.status_code)
    body = problem_members(code, status)
    if isinstance(error, exceptions.ValidationError):
        found = _field_errors(error.detail, (), in_body and not isinstance(error, InvalidParameters))
        errors = list(islice(found, MAX_ERRORS))
        if error.status_code == HTTPStatus.CONFLICT:
            errors = [{**it, "code": "conflict"} for it in errors]
        body["errors"] = errors
        body["detail"] = "; ".join(f"{it['field']}: {it['detail']}".lstrip(": ") for it in errors)
    else:
        body["detail"] = _writable(str(error.detail))
    body.update(getattr(error, "members", {}))  # extension members (RFC 9457, section 3.2)
    headers = dict(_RETRY_HEADERS) if isinstance(error, Unavailable) else {}
    wait: float | None = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(ceil(wait))
        if status is HTTPStatus.TOO_MANY_REQUESTS and "limit" in body:
            headers.update(exhausted_header(body["limit"], ceil(wait)))
    challenge: str | None = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    return body, headers


def _writable(text: str) -> str:
    """Return a text with escapes in place of unpaired surrogates, which no JSON in UTF-8 can have."""
    return text.encode("utf-8", "backslashreplace").decode()


def _field_errors(detail: Any, path: tuple[str | int, ...], in_body: bool) -> Iterator[dict[str, str]]:
    """Yield every leaf of REST framework's tree of errors with its path: field names, and positions in lists."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = () if name == "non_field_errors" else (_shown(name),)
            yield from _field_errors(inner, (*path, *step), in_body)
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            step = () if isinstance(inner, str) else (position,)
            yield from _field_errors(inner, (*path, *step), in_body)
    else:
        code = str(getattr(detail, "code", None) or "")  # a JSON pointer into the field's value, if it is a document
        inside = code if code.startswith("/") else ""
        found = {
            "field": ".".join(map(str, path)),
            "detail": _writable(str(detail)[:MAX_DETAIL]),
            "code": "mismatch" if inside else _code(code),
        }
        yield {**found, "pointer": _pointer(path) + inside} if in_body else found


def _shown(name: Any) -> str | int:
    return name if isinstance(name, int) else _writable(str(name)[:MAX_NAME])


def _code(code: str) -> str:
    """Return the machine code of a field error; ``invalid`` for an error of ours that has none of its own."""
    return code if code in FIELD_CODES else "invalid"


def _pointer(path: tuple[str | int, ...]) -> str:
    """Return a JSON pointer as a URI fragment (RFC 6901, sections 3 and 6)."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def problem_response(request: HttpRequest, error: exceptions.APIException) -> HttpResponse:
    """Return the problem as a Django response, for middleware and Django's error handlers."""
    body, headers = problem_content(error, in_body=request.method not in SAFE_METHODS)
    return HttpResponse(orjson.dumps(body), content_type=PROBLEM, status=error.status_code, headers=headers)


def _expects_json(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith(("/api/", "/in/"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 404 for Django: a URL that no route matches."""
    if not _expects_json(request):
        return defaults.page_not_found(request, exception)
    return problem_response(request, exceptions.NotFound(f"There is nothing at {request.path_info}."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 400 for Django: a request that is rejected before a view runs."""
    known = as_api_exception(exception)
    if known is None or not _expects_json(request):
        return defaults.bad_request(request, exception)
    return problem_response(request, known)


def failed(request: HttpRequest) -> HttpResponse:
    """Handle 500 for Django, after it logged the error; 503 if the database is unavailable."""
    known = as_api_exception(sys.exc_info()[1])
    if known is None:
        known = exceptions.APIException("Internal error; it has been logged.")
    if _expects_json(request):
        return problem_response(request, known)
    if isinstance(known, Unavailable):
        return HttpResponse(str(known.detail), content_type="text/plain", status=503, headers=_RETRY_HEADERS)
    return defaults.server_error(request)


class JsonBody(JSONParser):
    """Parse JSON (RFC 8259) within a size limit; reject NaN, unpaired surrogates and deep nesting.

    A parser runs without giving up the interpreter, so the limit is low: other requests wait for it. A view that needs
    more has ``has_large_body``. One whose body holds data of events or patterns has ``keeps_numbers``: numbers that
    Python would write in another way are parsed as JsonNumbers.
    """

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        limit = settings.WAYPOST_MAX_REQUEST_BYTES
        view = (parser_context or {}).get("view")
        if not getattr(view, "has_large_body", False):
            limit = min(limit, MAX_JSON_BYTES)
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge("A request", limit)
        try:
            return _parsed(body, keeps_numbers=getattr(view, "keeps_numbers", False))
        except InvalidJson as error:
            raise exceptions.ParseError(f"The body {error}.") from None


def _parsed(body: bytes, *, keeps_numbers: bool) -> Any:
    """Return the value of a JSON text. Raises InvalidJson, ParseError, and ValidationError for a duplicate key."""
    try:
        parsed = parse_value(body, MAX_DEPTH) if keeps_numbers else orjson.loads(body)
    except ValueError as error:
        if nests_deeper(body, MAX_DEPTH):
            raise exceptions.ParseError(_TOO_DEEP) from None
        raise error if isinstance(error, InvalidJson) else exceptions.ParseError(f"Invalid JSON: {error}.") from None
    if nests_deeper(body, MAX_DEPTH):
        raise exceptions.ParseError(_TOO_DEEP)
    if path := duplicate_key(body):
        raise exceptions.ValidationError(_at(path, exceptions.ErrorDetail(_DUPLICATE, "ambiguous")))
    if LONG_INTEGER.search(body) and not keeps_numbers:  # orjson reads an integer beyond 64 bits as a float
        return json.loads(body)
    return parsed


def _at(path: tuple[str | int, ...], error: exceptions.ErrorDetail) -> Any:
    """Return an error in REST framework's tree of errors."""
    tree: Any = [error]
    for step in reversed(path):
        tree = {step: tree}
    return tree
