"""Describe what all operations share in OpenAPI: names, strict bodies, query parameters, headers, problems.

Every response that is no success is a problem (RFC 9457) built in one place (``conventions.errors``), so each is
described in one place too. The problems of an operation follow from its parameters and body.
"""

import re
from pathlib import Path
from typing import Any

import orjson
from django.core.exceptions import FieldDoesNotExist
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from config.api.openapi_components import finish_components
from config.api.openapi_problems import (
    EXPENSIVE,
    FIELD_ERROR,
    PROBLEM,
    RATE_LIMITS_OF_PUBLISHING,
    WRITES,
    is_publishing,
    problem_of_status,
    problem_statuses,
)
from config.web.request_ids import HEADER
from webhooks.kit.rest.fields.scalars import ChoiceField
from webhooks.kit.rest.resources import ListView
from webhooks.kit.rest.serializers import StrictSerializer

METHODS = ("get", "put", "post", "delete", "patch", "options", "head")
PATH_PARAMETERS = {
    "id": "Id of the secret.",
    "attempt": "Number of the attempt, or its id.",
    "key": "Key of the verification, from the URL of the callback.",
    "event": "Id of the event, from the signed link.",
    "endpoint": "Id of the endpoint, from the signed link.",
    "until": "Expiry of the signed link, as unix seconds.",
    "signature": "Signature of the link.",
}
WITH_UID = ("tenants", "plans", "endpoints", "subscriptions", "sources")  # resources that are also found by their uid
ACTIONS = {"GET": "get", "POST": "create", "PUT": "replace", "PATCH": "change", "DELETE": "delete"}
TAG_OF = {
    "data": "Events",
    "verification-callbacks": "Endpoints",
    "endpoint-stats": "Endpoints",
    "endpoint-overviews": "Endpoints",
    "history": "Usage",
    "source-kinds": "Sources",
    "receipt-replays": "Receipts",
}
EXAMPLES: dict[str, Any] = orjson.loads(Path(__file__).with_name("examples.json").read_bytes())
"""By operation id: the body of a request, and of a response by status. Recorded by tests/api/test_examples.py."""
TAG = {
    "ETag": {
        "description": "Entity tag of this representation, for `If-Match` and `If-None-Match`.",
        "schema": {"type": "string"},
    }
}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` if this is the stored response to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
REQUEST_ID = {
    "description": "Id of the request, as the log has it; quote it in a report.",
    "schema": {"type": "string"},
}
LOCATION = {"Location": {"description": "URL of what was created.", "schema": {"type": "string", "format": "uri"}}}
REQUEST_ID_REFERENCE = {"$ref": "#/components/headers/RequestId"}
HEADERS = {
    "Waypost-Tenant": "With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`.",
    "Idempotency-Key": "Chosen by you. A request repeated with it within 24 hours takes effect once.",
    "If-Match": "An `ETag`: change only if it is still current; 412 otherwise.",
    "If-None-Match": "An `ETag`: respond 304 if it is still current.",
}


class Described(AutoSchema):
    """Name every operation like a function, and describe strict serializers and query parameters."""

    def get_operation_id(self) -> str:
        """Return verb and noun: `list_events`, `get_delivery`, `create_source_secret`."""
        *above, last = [token.replace("-", "_") for token in self._tokenize_path()]
        action = "list" if self._is_list_view() and self.method == "GET" else ACTIONS[self.method]
        return "_".join([action, *map(_singular, above), last if action == "list" else _singular(last)])

    def get_summary(self) -> str:
        """Return the view's summary of the operation: a verb and a noun, for the customer."""
        return self._documented()[0]

    def get_description(self) -> str:  # type: ignore[override]
        """Return the view's description of the operation; never a docstring, which is for maintainers."""
        return self._documented()[1]

    def get_operation(self, *arguments: Any, **names: Any) -> Any:
        """Mark expensive operations."""
        operation: Any = super().get_operation(*arguments, **names)
        if operation is not None and self.method in getattr(self.view, "expensive", ()):
            operation[EXPENSIVE] = True
        return operation

    def _documented(self) -> tuple[str, str]:
        key = getattr(self.view, "action", None) if hasattr(self.view, "action_map") else None
        documented: tuple[str, str] = getattr(self.view, "operations", {}).get(key or self.method.lower(), ("", ""))
        return documented

    def get_tags(self) -> list[str]:
        """Return the resource at the beginning of the path, or the one that it belongs to."""
        first = self._tokenize_path()[0]
        return [TAG_OF.get(first, first.replace("-", " ").capitalize())]

    def get_paginated_name(self, serializer_name: str) -> str:
        """Return the component name of a page: `EndpointPage`."""
        return f"{serializer_name}Page"

    def _get_serializer_name(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> Any:
        """Name the body of a PATCH `EndpointUpdateRequest`."""
        name: Any = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return PATCHED.sub(r"\1UpdateRequest", name) if isinstance(name, str) else name

    def _is_list_view(self, serializer: Any = None) -> bool:
        if self.method != "GET":
            return False
        return isinstance(self.view, ListView) or bool(super()._is_list_view(serializer))

    def _map_serializer(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> Any:
        """Mark bodies that reject unknown fields, and deprecated fields."""
        schema: Any = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        known = serializer if isinstance(serializer, type) else type(serializer)
        if direction == "request" and issubclass(known, StrictSerializer):
            schema["additionalProperties"] = False
            if not getattr(serializer, "partial", False):
                _add_defaults(serializer, schema.get("properties", {}))
        if direction == "response" and issubclass(known, serializers.ModelSerializer):
            _require_all(serializer, schema)
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
        """Allow null in a choice where the column may be empty; leave null out of any JSON."""
        if isinstance(field, ChoiceField) and field.read_only and _may_be_empty(field):
            field.allow_null = True
        schema: Any = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if schema and schema.get("oneOf", [None])[0] == {}:
            del schema["oneOf"]
        return schema


PATCHED = re.compile("^Patched(.+)Request$")

# A token, or a string of a structured field (RFC 9651, 3.3.3).
PLAIN_OR_QUOTED = r"""^(?:[\x21\x23-\x7e]+|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+")$"""


def _singular(plural: str) -> str:
    """Return the singular of a plural noun."""
    return plural[:-3] + "y" if plural.endswith("ies") else plural.removesuffix("s")


def _require_all(serializer: Any, schema: dict[str, Any]) -> None:
    """Mark every field of a row as present in responses, but those that the serializer says may be absent."""
    present = schema.get("properties", {}).keys() - getattr(serializer, "may_be_absent", ())
    if present:
        schema["required"] = sorted(present)


def _add_defaults(serializer: Any, properties: dict[str, Any]) -> None:
    """Add the defaults of columns, which a creation and a replacement set for fields that are left out."""
    kept = getattr(serializer, "kept_by_put", ())
    for name in properties.keys() - kept if hasattr(serializer, "Meta") else ():
        column = _column(serializer.Meta.model, str(serializer.fields[name].source))
        if column is not None and column.has_default() and not callable(column.default) and column.default is not None:
            default = getattr(column.default, "value", column.default)
            is_null = default == "" and isinstance(serializer.fields[name], ChoiceField)
            properties[name].setdefault("default", None if is_null else default)


def _column(model: Any, source: str) -> Any:
    """Return the column that a field's source names (`http.url`); None if it names none."""
    *relations, name = source.split(".")
    try:
        for relation in relations:
            model = model._meta.get_field(relation).related_model
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def _may_be_empty(field: Any) -> bool:
    try:
        return bool(field.parent.Meta.model._meta.get_field(field.source).blank)
    except (AttributeError, FieldDoesNotExist):
        return False


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the problems that an operation can have and does not describe itself."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(Problem=PROBLEM, FieldError=FIELD_ERROR)
    finish_components(result)
    result["components"]["headers"] = {"RequestId": REQUEST_ID}
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}  # the last slash is optional
    for path, item in result["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                operation.setdefault("security", [])
                _describe_parameters(path, operation)
                _add_conventions(path, method, operation)
                for status in sorted(problem_statuses(path, method, operation)):
                    operation["responses"].setdefault(str(status), problem_of_status(status))
                _add_examples(operation)
                for status, response in operation["responses"].items():
                    located = LOCATION if status == "201" and _has_id(response, result) else {}
                    response["headers"] = {**response.get("headers", {}), **located, HEADER: REQUEST_ID_REFERENCE}
    return result


def _has_id(response: dict[str, Any], document: dict[str, Any]) -> bool:
    """Return whether the body of a response has an id, by which what was created is found."""
    contents: list[dict[str, Any]] = list(response.get("content", {}).values())
    schema = contents[0].get("schema", {}) if contents else {}
    named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    return "id" in named.get("properties", {})


def _describe_parameters(path: str, operation: dict[str, Any]) -> None:
    """Describe the parameters in the path, and those that the framework adds."""
    resource = path.removeprefix("/api/v1/").split("/")[0]
    names = {"event-types": "Id or name", "connectors": "Name"}
    by = "Id or `uid`" if resource in WITH_UID else names.get(resource, "Id")
    texts = {**PATH_PARAMETERS, "ref": f"{by} of the {_singular(resource).replace('-', ' ')}."}
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in texts:
            parameter.setdefault("description", texts[parameter["name"]])


def _add_examples(operation: dict[str, Any]) -> None:
    """Add the recorded examples of the operation, and an example of each problem."""
    recorded = EXAMPLES.get(operation["operationId"], {})
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "request" in recorded and "example" not in content and "examples" not in content and "json" in media_type:
            content["example"] = recorded["request"]
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type == "application/problem+json":
                content["example"] = EXAMPLES["problems"][status]
            elif status in recorded.get("responses", {}) and "examples" not in content and "json" in media_type:
                content["example"] = recorded["responses"][status]


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
        operation["responses"].setdefault(
            "304", {"description": "Not modified since the `ETag` in `If-None-Match`.", "headers": TAG}
        )
    operation.setdefault("parameters", []).extend(_header(name) for name in accepted)
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            limits = RATE_LIMITS_OF_PUBLISHING if is_publishing(path, method) else {}
            response.setdefault("headers", {}).update({**returned, **limits})


def _header(name: str) -> dict[str, Any]:
    form = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": PLAIN_OR_QUOTED}
    if name != "Idempotency-Key":
        form = {"type": "string"}
    return {"name": name, "in": "header", "required": False, "schema": form, "description": HEADERS[name]}
