"""Check responses of the API against the OpenAPI document: status, media type, schema.

``checked_request`` takes the place of the request of Django's test client, so that a response which generated clients
could not read fails the test that gets it.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

import jsonschema_rs
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from config.api.description import FILE

PARAMETER = re.compile(r"\\\{\w+\\\}")
NOT_DESCRIBED = (301, 500)  # the redirect to HTTPS, which no operation makes; our own fault
BYTES = "application/octet-stream"  # stands for any media type
BATCH = "application/cloudevents-batch+json"  # at /events/ too, with the responses of /events/batch/
PUT_EVENTS = re.compile(r"/api/v1/events(/batch)?")  # 200 there is EventBridge's response to PutEvents, not ours
DOCUMENT = "urn:waypost:openapi"
_request = Client.request


class Described(NamedTuple):
    """The operations of one path by method, and the paths it stands for."""

    pattern: "re.Pattern[str]"
    path: str
    operations: dict[str, Any]


def checked_request(client: Client, **request: Any) -> Any:
    """Respond as the test client does, and check the response. It is put in place of ``Client.request``."""
    response = _request(client, **request)
    if settings.ROOT_URLCONF == "config.urls":
        path = described_path(response.request["PATH_INFO"], str(request.get("CONTENT_TYPE", "")))
        check(response.request["REQUEST_METHOD"], path, response)
    return response


def described_path(path: str, content_type: str) -> str:
    """Return the path in the document for a request to a path, which may have a query."""
    path = path.partition("?")[0].rstrip("/")
    return f"{path}/batch" if content_type.lower().startswith(BATCH) and path.endswith("/events") else path


def check_received(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Check a response that another client than Django's got. Raises AssertionError as ``check``."""
    check(method, path, HttpResponse(body, status=status, content_type=headers.get("content-type", "")))


def check(method: str, path: str, response: HttpResponse) -> None:
    """Raise AssertionError if the response is not as the document describes it. Other paths are not checked."""
    described = next((it for it in _paths() if it.pattern.fullmatch(path)), None)
    if described is None or method.lower() not in described.operations or response.status_code in NOT_DESCRIBED:
        return
    if response.status_code == 200 and method == "POST" and PUT_EVENTS.fullmatch(path):
        return
    where = f"{method} {path}: {response.status_code}"
    responses = described.operations[method.lower()]["responses"]
    assert str(response.status_code) in responses, f"{where} is not described"
    contents = responses[str(response.status_code)].get("content", {})
    if response.streaming or BYTES in contents:
        return
    media_type = response.get("Content-Type", "").partition(";")[0]
    if not response.content:
        assert not contents, f"{where} has no content"
        return
    assert media_type in contents, f"{where} as {media_type} is not described"
    if "json" in media_type:
        body = json.loads(response.content)
        validator = _validator(described.path, method.lower(), str(response.status_code), media_type)
        errors = [f"{'.'.join(map(str, it.instance_path))}: {it.message[:300]}" for it in validator.iter_errors(body)]
        assert not errors, f"{where} is not as it is described: {errors}"


@cache
def _document() -> dict[str, Any]:
    return dict(json.loads(FILE.read_bytes()))


@cache
def _paths() -> list[Described]:
    """Return the paths, those with fewer parameters first."""
    found = [
        Described(re.compile(PARAMETER.sub("[^/]+", re.escape(path)) + "/?"), path, item)
        for path, item in _document()["paths"].items()
    ]
    return sorted(found, key=lambda it: it.path.count("{"))


@cache
def _registry() -> jsonschema_rs.Registry:
    """Return the document for validators to refer to: with a copy in each, they took gigabytes."""
    return jsonschema_rs.Registry([(DOCUMENT, _document())], draft=jsonschema_rs.Draft202012)


@cache
def _validator(path: str, method: str, status: str, media_type: str) -> jsonschema_rs.Draft202012Validator:
    steps = ("paths", path, method, "responses", status, "content", media_type, "schema")
    pointer = "/".join(quote(step.replace("~", "~0").replace("/", "~1")) for step in steps)
    schema = {"$ref": f"{DOCUMENT}#/{pointer}"}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, registry=_registry())
