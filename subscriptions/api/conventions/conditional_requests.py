"""Add entity tags and deprecation headers to every response of the API, and respond 304 to clients that have it.

A GET response has an entity tag, and is not sent again to a client that names it (RFC 9110, section 13.1.2). A view
with ``deprecation`` announces it in every response; a field in ``deprecated_fields`` of its serializer in the responses
to requests that send the field.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from webhooks.wire.deprecation import Deprecation
from webhooks.wire.etags import etag_of, is_none_match

KEPT_IN_304 = ("Cache-Control", "Content-Location", "Vary", "Deprecation", "Sunset", "Link")


class ConditionalRequests:
    """Middleware for ``If-None-Match``, ``ETag`` and deprecation headers under /api/."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith("/api/"):
            return response
        for deprecation in _deprecations(request, response):
            for name, value in deprecation.headers().items():
                response.setdefault(name, value)
        return _not_modified_or(request, response) if request.method == "GET" else response


def _not_modified_or(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return 304 if the client has this content, else the response."""
    if response.status_code != 200 or response.streaming:
        return response
    if not response.has_header("ETag"):
        response["ETag"] = etag_of(response.content)
    known = request.headers.get("If-None-Match")
    if known is None or is_none_match(known, response["ETag"]):
        return response
    headers = {name: response[name] for name in ("ETag", *KEPT_IN_304) if name in response}
    return HttpResponseNotModified(headers=headers)


def _deprecations(request: HttpRequest, response: HttpResponse) -> Iterator[Deprecation]:
    view = getattr(getattr(request.resolver_match, "func", None), "cls", None)
    if view is None:
        return
    if deprecation := getattr(view, "deprecation", None):
        yield deprecation
    if fields := getattr(getattr(view, "serializer_class", None), "deprecated_fields", None):
        given = _given_names(request, response)
        yield from (deprecation for name, deprecation in fields.items() if name in given)


def _given_names(request: HttpRequest, response: HttpResponse) -> set[str]:
    """Return the names of query parameters, and of the body's members if a view parsed it."""
    context = getattr(response, "renderer_context", None) or {}
    body: Any = getattr(context.get("request"), "_full_data", None)
    return {*request.GET, *(body if isinstance(body, Mapping) else ())}
