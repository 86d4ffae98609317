"""What holds for every answer of the API, whichever view gives it.

What can be read has an entity tag, and is not sent again to somebody who has it (RFC 9110, section 13.1.2). And what
is deprecated says so: a view that has ``deprecation`` in every answer, a field that its serializer lists in
``deprecated_fields`` in the answers to those who send it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from webhooks.wire.deprecation import Deprecation
from webhooks.wire.etags import etag_of, is_none_match

__all__ = ["Conventions"]

KEPT_IN_304 = ("Cache-Control", "Content-Location", "Vary", "Deprecation", "Sunset", "Link")


class Conventions:
    """The middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith("/api/"):
            return response
        for deprecation in _deprecated(request, response):
            for name, value in deprecation.headers().items():
                response.setdefault(name, value)
        return _unless_known(request, response) if request.method == "GET" else response


def _unless_known(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer, or 304 if the asker has it."""
    if response.status_code != 200 or response.streaming:
        return response
    if not response.has_header("ETag"):
        response["ETag"] = etag_of(response.content)
    known = request.headers.get("If-None-Match")
    if known is None or is_none_match(known, response["ETag"]):
        return response
    headers = {name: response[name] for name in ("ETag", *KEPT_IN_304) if name in response}
    return HttpResponseNotModified(headers=headers)


def _deprecated(request: HttpRequest, response: HttpResponse) -> Iterator[Deprecation]:
    """What this answer has to warn of."""
    view = getattr(getattr(request.resolver_match, "func", None), "cls", None)
    if view is None:
        return
    if deprecation := getattr(view, "deprecation", None):
        yield deprecation
    if fields := getattr(getattr(view, "serializer_class", None), "deprecated_fields", None):
        sent = _sent(request, response)
        yield from (deprecation for name, deprecation in fields.items() if name in sent)


def _sent(request: HttpRequest, response: HttpResponse) -> set[str]:
    """The names in the query and in the body, as far as a body of names was read."""
    context = getattr(response, "renderer_context", None) or {}
    body: Any = getattr(context.get("request"), "_full_data", None)
    return {*request.GET, *(body if isinstance(body, Mapping) else ())}
