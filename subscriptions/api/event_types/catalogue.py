"""The catalogue: what one can be told, for people to browse and for tools to read.

It shows the deployment's types that are not archived, and to a tenant's key the tenant's own, too. With
WAYPOST_CATALOGUE=key it opens with an API key only: as a bearer token, or as the password a browser asks for.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from subscriptions.event_types.exporting import as_asyncapi, as_openapi, sample_event
from subscriptions.event_types.models import EventType
from subscriptions.event_types.schema_outline import outline
from subscriptions.models import Scope
from subscriptions.tenants import keys

__all__ = ["asyncapi", "index", "openapi", "schema", "show"]

LONGEST_SEARCH = 100
UNGROUPED = "Other"
View = Callable[..., HttpResponse]


def opened(view: View) -> View:
    """With the setting, only for a key that may read. The view gets the tenant's id, or None."""

    @require_safe
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        text = _key_of(request)
        key = keys.find_key(text) if text else None
        if key is not None and Scope.READ not in key.scopes:
            key = None
        if key is None and (text or settings.WAYPOST_CATALOGUE == "key"):
            refusal = "The catalogue opens with an API key that may read.\n"
            challenge = {"WWW-Authenticate": 'Basic realm="waypost", charset="UTF-8"'}
            return HttpResponse(refusal, status=401, content_type="text/plain", headers=challenge)
        answer = view(request, *args, tenant_id=key.tenant_id if key else None, **kwargs)
        answer["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:; base-uri 'none'"
        if text or settings.WAYPOST_CATALOGUE == "key":
            answer["Cache-Control"] = "private, no-store"
        return answer

    return guarded


def types(tenant_id: UUID | None) -> dict[str, EventType]:
    """What the catalogue shows, by name; the tenant's own before the deployment's."""
    rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), archived=False)
    if tenant_id is None:
        rows = rows.filter(tenant=None)
    rows = rows.prefetch_related("schemas").order_by("name")
    return {it.name: it for it in sorted(rows, key=lambda it: (it.name, it.tenant_id is not None))}


@opened
def index(request: HttpRequest, tenant_id: UUID | None) -> HttpResponse:
    q = request.GET.get("q", "")[:LONGEST_SEARCH].strip()
    groups: dict[str, list[EventType]] = {}
    for it in types(tenant_id).values():
        if q.lower() in f"{it.name} {it.description} {it.group}".lower():
            groups.setdefault(it.group or UNGROUPED, []).append(it)
    named = [{"name": name, "types": groups[name]} for name in sorted(groups, key=lambda it: (it == UNGROUPED, it))]
    return render(request, "subscriptions/catalogue/index.html", {"q": q, "groups": named})


@opened
def show(request: HttpRequest, name: str, tenant_id: UUID | None) -> HttpResponse:
    it = _named(name, tenant_id)
    document = it.schema
    context = {
        "it": it,
        "lines": outline(document),
        "examples": [_pretty(sample_event(it, data)) for data in it.examples],
        "schema": None if document is None else _pretty(document),
        "versions": [each.version for each in it.schemas.all()],
        "subscribe": _subscribe(it.name),
    }
    return render(request, "subscriptions/catalogue/type.html", context)


@opened
def schema(request: HttpRequest, name: str, version: int, tenant_id: UUID | None) -> HttpResponse:
    """The schema of one version: what the `dataschema` of an event may name."""
    for each in _named(name, tenant_id).schemas.all():
        if each.version == version:
            return HttpResponse(each.text, content_type="application/schema+json")
    raise Http404


@opened
def openapi(request: HttpRequest, tenant_id: UUID | None) -> HttpResponse:
    return JsonResponse(as_openapi(types(tenant_id).values()))


@opened
def asyncapi(request: HttpRequest, tenant_id: UUID | None) -> HttpResponse:
    return JsonResponse(as_asyncapi(types(tenant_id).values()))


def _named(name: str, tenant_id: UUID | None) -> EventType:
    found = types(tenant_id).get(name)
    if found is None:
        raise Http404
    return found


def _key_of(request: HttpRequest) -> str:
    """The key of a bearer token, or the password of a browser's question (RFC 7617); empty: there is none."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return "?"


def _pretty(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


def _subscribe(name: str) -> str:
    body = json.dumps({"endpoint": "YOUR_ENDPOINT", "event_types": [name]})
    return (
        f"curl {settings.PUBLIC_URL}/api/v1/subscriptions/ \\\n"
        '  -H "Authorization: Bearer $API_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )
