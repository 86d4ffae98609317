"""Describe what all operations share in OpenAPI: names, strict bodies, query parameters, headers, problems.

Every response that is no success is a problem (RFC 9457) built in one place (``config.api.errors``), so it is described
in one place too. The problems of an operation follow from its parameters and body.
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from webhooks.kit.rest.serializers import StrictSerializer

__all__ = ["Described", "complete"]

METHODS = ("get", "put", "post", "delete", "patch", "options", "head")
ACTIONS = {"GET": "get", "POST": "create", "PUT": "replace", "PATCH": "change", "DELETE": "delete"}
WRITES = ("put", "post", "patch", "delete")
PROBLEM_DESCRIPTIONS = {
    400: "Something in the request cannot be taken; each field is named.",
    401: "No API key, or one that opens nothing.",
    403: "The key has not the scope that this needs.",
    404: "There is no such thing, or it belongs to somebody else.",
    405: "This address does not know the method; `Allow` names those it knows.",
    406: "Nothing that is asked for in `Accept` can be given.",
    402: "The tenant's plan allows no more; `limit`, `allowed`, `used` and `resets_at` say of what.",
    409: "At odds with what is there.",
    412: "It is not what `If-Match` says it was when it was read.",
    413: "The request is too large.",
    415: "The body is of a form that is not taken here.",
    422: "The `Idempotency-Key` was used for another request.",
    429: "Faster than the tenant's plan allows.",
    503: "The database cannot be reached right now; try again.",
}
FIELD_ERROR = {
    "type": "object",
    "required": ["field", "detail"],
    "properties": {
        "field": {"type": "string", "description": "The way to the field: names and positions, with dots."},
        "detail": {"type": "string"},
        "pointer": {"type": "string", "description": "The same as a JSON pointer (RFC 6901), in the body."},
    },
}
PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "example": "urn:waypost:problem:invalid"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        "limit": {"type": "string", "description": "Which limit of the plan is met (402, 413, 429)."},
        "allowed": {"type": "integer"},
        "used": {"type": "integer"},
        "resets_at": {"type": ["string", "null"], "format": "date-time", "description": "Null: not by itself."},
    },
}
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
TAG = {"ETag": {"description": "Which state of it this is.", "schema": {"type": "string"}}}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true`: this was answered before, and is answered again.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}}


HEADERS = {
    "Waypost-Tenant": "For operators: the id or uid of the tenant this is about. Also as `?tenant=`.",
    "Idempotency-Key": "Chosen by you: a request that comes again under the same key within 24 hours takes place once.",
    "If-Match": "An entity tag (`ETag`): change it only if it is what you have seen.",
    "If-None-Match": "An entity tag (`ETag`): answer 304 if that is still how it is.",
}


class Described(AutoSchema):
    """Name every operation like a function, and describe strict serializers and query parameters."""

    def get_operation_id(self) -> str:
        """Return verb and noun: `list_events`, `get_delivery`, `create_source_secret`."""
        *above, last = [token.replace("-", "_") for token in self._tokenize_path()]
        action = "list" if self._is_list_view() and self.method == "GET" else ACTIONS[self.method]
        return "_".join([action, *map(_singular, above), last if action == "list" else _singular(last)])

    def _map_serializer(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> Any:
        """Mark bodies that reject unknown fields, and deprecated fields."""
        schema: Any = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        known = serializer if isinstance(serializer, type) else type(serializer)
        if direction == "request" and issubclass(known, StrictSerializer):
            schema["additionalProperties"] = False
        for name in getattr(known, "deprecated_fields", {}).keys() & schema.get("properties", {}).keys():
            schema["properties"][name] = {**schema["properties"][name], "deprecated": True}
        return schema

    def get_override_parameters(self) -> list[Any]:
        """Return the query parameters that the view declares."""
        params = getattr(self.view, "query_params", None)
        reads = self._is_list_view() or not hasattr(self.view, "list")
        return [params] if params and params().fields and self.method == "GET" and reads else []

    def is_deprecated(self) -> bool:
        """Return whether the operation or its view is deprecated."""
        return super().is_deprecated() or getattr(self.view, "deprecation", None) is not None

    def _map_serializer_field(self, field: Any, direction: str, bypass_extensions: bool = False) -> Any:
        """Allow an empty choice where the column may be empty; leave null out of any JSON."""
        if isinstance(field, serializers.ChoiceField) and field.read_only and _may_be_empty(field):
            field.allow_blank = True
        schema: Any = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if schema and schema.get("oneOf", [None])[0] == {}:
            del schema["oneOf"]
        return schema


# A token, or a string of a structured field (RFC 9651, 3.3.3).
PLAIN_OR_QUOTED = r"""^(?:[\x21\x23-\x7e]+|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+")$"""


def _singular(plural: str) -> str:
    """Return the singular of a plural noun."""
    return plural[:-3] + "y" if plural.endswith("ies") else plural.removesuffix("s")


def _may_be_empty(field: Any) -> bool:
    try:
        return bool(field.parent.Meta.model._meta.get_field(field.source).blank)
    except (AttributeError, FieldDoesNotExist):
        return False


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the problems that an operation can have and does not describe itself."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(Problem=PROBLEM, FieldError=FIELD_ERROR)
    for path, item in result["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                _add_conventions(path, method, operation)
                for status in sorted(_statuses(path, method, operation)):
                    operation["responses"].setdefault(str(status), _problem(status))
    return result


def _add_conventions(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add the headers that operations of this method accept and return."""
    if not any(operation.get("security", ())):
        return
    accepted, returned = ["Waypost-Tenant"], {}
    if method == "post":
        accepted, returned = [*accepted, "Idempotency-Key"], REPLAYED
    elif method in WRITES:
        accepted, returned = [*accepted, "If-Match"], {} if method == "delete" else TAG
    elif method == "get":
        accepted, returned = [*accepted, "If-None-Match"], TAG
        operation["responses"].setdefault("304", {"description": "It is what you have seen.", "headers": TAG})
    operation.setdefault("parameters", []).extend(_header(name) for name in accepted)
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            response.setdefault("headers", {}).update(returned)


def _header(name: str) -> dict[str, Any]:
    form = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": PLAIN_OR_QUOTED}
    if name != "Idempotency-Key":
        form = {"type": "string"}
    return {"name": name, "in": "header", "required": False, "schema": form, "description": HEADERS[name]}


def _statuses(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    """Yield the statuses of the problems that an operation can have."""
    yield from (405, 406, 503)
    if any(operation.get("security", ())):
        yield from (401, 403, 404)  # 404: a tenant that the request may not name
    if "{" in path:
        yield 404
    if operation.get("parameters") or method in WRITES:
        yield 400
    if "requestBody" in operation:
        yield from (413, 415)
    if method in WRITES:
        yield 409
        yield 422 if method == "post" else 412
    if method == "post" and path.endswith(("/events/", "/endpoints/")):
        yield from (402, 429) if path.endswith("/events/") else (402,)


def _problem(status: int) -> dict[str, Any]:
    headers = {401: CHALLENGE, 429: RETRY, 503: RETRY}.get(status)
    shape = {"schema": {"$ref": "#/components/schemas/Problem"}}
    response = {"description": PROBLEM_DESCRIPTIONS[status], "content": {"application/problem+json": shape}}
    return {**response, "headers": headers} if headers else response
