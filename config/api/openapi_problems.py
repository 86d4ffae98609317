"""Describe the problems (RFC 9457) of the API in OpenAPI: their schema, and which statuses an operation can have."""

import re
from collections.abc import Iterator
from typing import Any

from subscriptions.api.conventions.errors import FIELD_CODES
from subscriptions.api.conventions.problem_types import PROBLEM_TYPES

WRITES = ("put", "post", "patch", "delete")
PROBLEM_DESCRIPTIONS = {
    400: "The request is invalid. `errors` names each field and says what to give instead.",
    401: "The API key is missing, unknown, expired or revoked.",
    403: "The API key lacks the scope that this operation needs.",
    404: "Not found, or it belongs to another tenant.",
    405: "The method is not allowed here; the header `Allow` lists those that are.",
    406: "None of the media types in `Accept` can be returned.",
    402: "A limit of the tenant's plan is reached; `limit`, `allowed`, `used` and `resets_at` say which.",
    409: "Conflicts with the current state, or with a value that is already in use.",
    410: "It is no longer kept: the link has expired.",
    412: "Changed since it was fetched: the `ETag` is not that of `If-Match`.",
    413: "The request is too large.",
    415: "The media type of the body is not supported here.",
    422: "The `Idempotency-Key` was used for a different request.",
    429: "More than the tenant's plan or share allows; `limit` names the limit. Retry after `Retry-After` seconds.",
    503: "The database is unavailable, or took too long; retry after `Retry-After` seconds.",
}
CALLS_OUT = re.compile(
    r"/(endpoints|sources)(/\{\w+\})?$|/endpoints/\{\w+\}/(test|verification)$"
    r"|/sources/(test|\{\w+\}/(settings/test|seek))$"
)
"""Operations that resolve a name or call a server; a tenant may have some in progress."""
SCHEDULES = re.compile(r"/schedules(/import|/\{ref\})?\Z")  # the plan limits their number and interval
SUBSCRIPTIONS = re.compile(r"/subscriptions(/\{\w+\})?$")
FIELD_ERROR = {
    "type": "object",
    "description": "An invalid field of a request.",
    "required": ["field", "detail", "code"],
    "properties": {
        "field": {"type": "string", "description": "Path of the field: names and positions, separated by dots."},
        "detail": {"type": "string", "description": "What is wrong, and what to give instead."},
        "code": {
            "type": "string",
            "description": "What kind of error it is, for programs: "
            + " ".join(f"`{code}`: {text}" for code, text in FIELD_CODES.items()),
            "example": "required",
        },
        "pointer": {"type": "string", "description": "The same path as a JSON pointer (RFC 6901) into the body."},
    },
}
PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "description": "URL of the page about this kind of problem: its cause and its remedy.",
            "example": "https://webhooks.example.com/problems/invalid/",
        },
        "title": {"type": "string", "description": "Short summary of the kind of problem."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "code": {
            "type": "string",
            "description": "Kind of problem, for programs: the same on every platform. "
            + " ".join(f"`{code}`: {it.title.lower()}." for code, it in PROBLEM_TYPES.items()),
            "example": "invalid",
        },
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/FieldError"},
            "description": "One entry per invalid field (400, 409).",
        },
        "scope": {
            "type": "string",
            "enum": ["publish", "manage", "read", "consume"],
            "description": "The scope that the API key lacks (403).",
        },
        "limit": {"type": "string", "description": "The limit that is reached (402, 413, 429, 503)."},
        "allowed": {"type": "integer", "description": "What the plan allows."},
        "used": {"type": "integer", "description": "What the tenant has used."},
        "resets_at": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When the limit resets; null: never.",
        },
    },
}
EXPENSIVE = "x-expensive"  # marks operations of which a tenant may run a few at a time, until they are described
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
RETRY = {
    "Retry-After": {
        "description": "Seconds to wait before the next request.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
RATE_LIMIT = {
    "RateLimit": {
        "description": 'What is left of the limit that applies: `"publish_rate";r=42;t=1` is 42 requests now (`r`), '
        "restored after 1 second (`t`). See draft-ietf-httpapi-ratelimit-headers-10.",
        "schema": {"type": "string", "example": '"publish_rate";r=42;t=1'},
    }
}
RATE_LIMITS_OF_PUBLISHING = {
    "RateLimit-Policy": {
        "description": 'The limit that applies: `"publish_rate";q=100;w=1` is 100 events (`q`) in 1 second (`w`). '
        "Absent, like `RateLimit`, if the plan has no such limit.",
        "schema": {"type": "string", "example": '"publish_rate";q=100;w=1'},
    },
    **RATE_LIMIT,
}
PUBLISHING = ("/events", "/events/batch")


def is_publishing(path: str, method: str) -> bool:
    """Return whether the operation publishes events."""
    return method == "post" and path.endswith(PUBLISHING)


def problem_statuses(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    """Yield the statuses of the problems that an operation can have."""
    yield from (405, 406, 503)
    if any(operation.get("security", ())):
        yield from (401, 403, 404)  # 404: a tenant that the request may not name
    if "{" in path:
        yield from (404, 410) if path.endswith("/{signature}") else (404,)
    if operation.get("parameters") or method in WRITES:
        yield 400
    if "requestBody" in operation:
        yield from (413, 415)
    yield from _conflict_statuses(path, method)
    if method == "post" and path.endswith(("/endpoints", "/sources")):
        yield 402
    if is_publishing(path, method):
        yield from (402, 429)
    if method in ("post", "put", "patch") and (SUBSCRIPTIONS.search(path) or SCHEDULES.search(path)):
        yield 402
    if path.endswith("/schedules/{ref}/run"):
        yield from (402, 413, 429)
    if operation.pop(EXPENSIVE, False) or (method in WRITES and method != "delete" and CALLS_OUT.search(path)):
        yield 429


def _conflict_statuses(path: str, method: str) -> Iterator[int]:
    if method in WRITES or path.endswith(("/request", "/messages")):
        yield 409
    if method in WRITES:
        yield 422 if method == "post" else 412


def problem_of_status(status: int) -> dict[str, Any]:
    """Return the response object that describes the problem with this status."""
    headers = {401: CHALLENGE, 429: {**RETRY, **RATE_LIMIT}, 503: RETRY}.get(status)
    shape = {"schema": {"$ref": "#/components/schemas/Problem"}}
    response = {"description": PROBLEM_DESCRIPTIONS[status], "content": {"application/problem+json": shape}}
    return {**response, "headers": headers} if headers else response
