"""Publish the catalogue of event types, as pages to browse and as OpenAPI and AsyncAPI documents.

It lists the deployment's types that are not archived, those of the platform's own events (``waypost.*``), and for a
tenant's API key also the tenant's own. Pages for
clients without a key are kept until an event type changes, so that they cost next to nothing. With
WAYPOST_CATALOGUE=key the catalogue requires an API key: as a bearer token, or as the password of HTTP Basic.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from subscriptions.event_types.exact_json import indented, to_json
from subscriptions.event_types.exporting import as_asyncapi, as_openapi, sample_event
from subscriptions.event_types.json_schema import schema_check
from subscriptions.event_types.json_schema.schema_outline import outline
from subscriptions.event_types.models import EventSchema, EventType, with_current_schemas
from subscriptions.event_types.operational import operational_types
from subscriptions.models import Scope
from subscriptions.tenants import keys
from webhooks.kit.caches.single_flight import SingleFlight

MAX_SEARCH = 100  # characters
UNGROUPED = "Other"
KEPT = 10.0  # seconds that a page for clients without a key is kept, unless an event type changes
View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class _Page:
    """A page for clients without a key, at one version of the event types, and how to make it."""

    version: int
    path: str
    view: View = field(compare=False)
    request: HttpRequest = field(compare=False)
    arguments: dict[str, Any] = field(compare=False)


class _Content(NamedTuple):
    """The content of a page."""

    body: bytes
    content_type: str


def catalogue_view(view: View, *, reads_query: bool = False) -> View:
    """Require an API key with the read scope if the setting does; pass the tenant's id, or None, to the view.

    ``reads_query``: whether the page depends on the query, so that a page is kept for requests without one only.
    """

    @require_safe
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        text = _key_of(request)
        key = keys.find_key(text) if text else None
        if key is not None and Scope.READ not in key.scopes:
            key = None
        if key is None and (text or settings.WAYPOST_CATALOGUE == "key"):
            message = "The catalogue requires an API key with the read scope.\n"
            challenge = {"WWW-Authenticate": 'Basic realm="waypost", charset="UTF-8"'}
            return HttpResponse(message, status=401, content_type="text/plain", headers=challenge)
        if key is None and not (reads_query and request.GET):
            page = kept_pages.get(_Page(schema_check.current_version(), request.path_info, view, request, kwargs))
            response = HttpResponse(page.body, content_type=page.content_type)
        else:
            response = view(request, tenant_id=key.tenant_id if key else None, **kwargs)
        response["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:; base-uri 'none'"
        if text or settings.WAYPOST_CATALOGUE == "key":
            response["Cache-Control"] = "private, no-store"
        return response

    return guarded


def types(tenant_id: UUID | None, **only: str) -> dict[str, EventType]:
    """Return the listed event types by name, with those of the platform's own events.

    A tenant's own type replaces the deployment's of the same name.
    """
    rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), archived=False, **only)
    if tenant_id is None:
        rows = rows.filter(tenant=None)
    rows = with_current_schemas(rows).order_by("name")
    own = [it for it in operational_types() if only.get("name", it.name) == it.name]
    return {it.name: it for it in sorted([*own, *rows], key=lambda it: (it.name, it.tenant_id is not None))}


@partial(catalogue_view, reads_query=True)
def index(request: HttpRequest, tenant_id: UUID | None) -> HttpResponse:
    """List the event types by group, or those that match the search."""
    q = request.GET.get("q", "")[:MAX_SEARCH].strip()
    groups: dict[str, list[EventType]] = {}
    for it in types(tenant_id).values():
        if q.lower() in f"{it.name} {it.description} {it.group}".lower():
            groups.setdefault(it.group or UNGROUPED, []).append(it)
    named = [{"name": name, "types": groups[name]} for name in sorted(groups, key=lambda it: (it == UNGROUPED, it))]
    return render(request, "subscriptions/catalogue/index.html", {"q": q, "groups": named})


@catalogue_view
def show(request: HttpRequest, name: str, tenant_id: UUID | None) -> HttpResponse:
    """Show one event type: fields, examples, how to subscribe, schema."""
    it = _named(name, tenant_id)
    document = it.schema
    context = {
        "it": it,
        "lines": outline(document),
        "examples": [indented(sample_event(it, data)) for data in it.examples],
        "schema": None if document is None else indented(document),
        "versions": [each.version for each in _versions(it)],
        "subscribe": _subscribe(it.name),
    }
    return render(request, "subscriptions/catalogue/type.html", context)


@catalogue_view
def schema(request: HttpRequest, name: str, version: int, tenant_id: UUID | None) -> HttpResponse:
    """Return one version of the schema; the `dataschema` of an event may refer to it."""
    for each in _versions(_named(name, tenant_id)):
        if each.version == version:
            return HttpResponse(each.text, content_type="application/schema+json")
    raise Http404


@catalogue_view
def openapi(request: HttpRequest, tenant_id: UUID | None) -> HttpResponse:
    """Return the catalogue as an OpenAPI document with webhooks."""
    return HttpResponse(to_json(as_openapi(types(tenant_id).values())), content_type="application/json")


@catalogue_view
def asyncapi(request: HttpRequest, tenant_id: UUID | None) -> HttpResponse:
    """Return the catalogue as an AsyncAPI document."""
    return HttpResponse(to_json(as_asyncapi(types(tenant_id).values())), content_type="application/json")


def _named(name: str, tenant_id: UUID | None) -> EventType:
    found = types(tenant_id, name=name).get(name)
    if found is None:
        raise Http404
    return found


def _versions(it: EventType) -> Iterable[EventSchema]:
    """Return all versions of the schema; that of an operational type is not stored."""
    return it.schemas.all() if it._state.adding else EventSchema.objects.filter(event_type=it.pk)


def _content(page: _Page) -> _Content:
    response = page.view(page.request, tenant_id=None, **page.arguments)
    return _Content(response.content, response["Content-Type"])


kept_pages = SingleFlight(_content, max_age=KEPT, max_size=200)


def _key_of(request: HttpRequest) -> str:
    """Return the API key of a bearer token or of an HTTP Basic password (RFC 7617); empty if there is none."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return "?"


def _subscribe(name: str) -> str:
    body = json.dumps({"endpoint": "YOUR_ENDPOINT", "event_types": [name]})
    return (
        f"curl {settings.PUBLIC_URL}/api/v1/subscriptions/ \\\n"
        '  -H "Authorization: Bearer $API_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )
