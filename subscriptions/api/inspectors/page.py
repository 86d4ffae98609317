"""Show the requests of an inspector to a browser, the newest first, and those that arrived since for its script.

The address of the page is all that is needed to read it, so it must not spread: no referrer, no index, no cache.
Everything that a request contains is shown as text.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from subscriptions.api.inspectors.serializers import text_of
from subscriptions.inspectors.inspectors import find_inspector, url_of
from subscriptions.models import InspectedRequest
from webhooks.wire.bodies.pretty_json import pretty
from webhooks.wire.ids import parse

SHOWN = 50  # requests on the page; the API lists all that are kept
SHOWN_BODY = 16 * 1024  # characters of each body
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "private, no-store",
}


@dataclass(frozen=True)
class ShownRequest:
    """A request as the page shows it. ``subject``: the type of its event; empty: it has none."""

    row: InspectedRequest
    subject: str
    body: str
    is_cut: bool

    @property
    def is_signed(self) -> bool:
        """Return whether the request has a signature, valid or not."""
        return "webhook-signature" in self.row.headers

    @property
    def query(self) -> str:
        """Return the query of the request with its question mark; empty if it has none."""
        return "".join(self.row.path.partition("?")[1:])

    @property
    def size(self) -> str:
        """Return the size of the whole body in bytes, with separators."""
        return f"{self.row.body_bytes:,}"


@require_safe
def page(request: HttpRequest, page_token: str) -> HttpResponse:
    """Return the page with the latest requests."""
    inspector = find_inspector(page_token=page_token)
    if inspector is None:
        return _headed(render(request, "subscriptions/inspectors/expired.html", status=404))
    context = {"inspector": inspector, "url": url_of(inspector), "requests": _shown(inspector.requests.all())}
    return _headed(render(request, "subscriptions/inspectors/page.html", context))


@require_safe
def newer(request: HttpRequest, page_token: str) -> HttpResponse:
    """Return the requests that arrived after the one that ``?after=`` names, as a part of the page; 204 for none."""
    inspector = find_inspector(page_token=page_token)
    if inspector is None:
        return _headed(HttpResponse(status=404))
    rows = inspector.requests.all()
    try:
        rows = rows.filter(pk__gt=parse(InspectedRequest.prefix, request.GET.get("after", "")))
    except ValueError:
        pass
    shown = _shown(rows)
    if not shown:
        return _headed(HttpResponse(status=204))
    return _headed(render(request, "subscriptions/inspectors/requests.html", {"requests": shown}))


def _shown(rows: "QuerySet[InspectedRequest]") -> list[ShownRequest]:
    return [_show(row) for row in rows.select_related("endpoint__http").order_by("-pk")[:SHOWN]]


def _show(row: InspectedRequest) -> ShownRequest:
    text = text_of(row)
    document = _json(text)
    subject = document.get("type") if isinstance(document, dict) else None
    body = "" if text is None else text if document is None else pretty(text)
    return ShownRequest(
        row,
        subject=str(row.headers.get("ce-type") or (subject if isinstance(subject, str) else ""))[:200],
        body=body[:SHOWN_BODY] if text is not None else f"Not UTF-8: {row.body_bytes:,} bytes",
        is_cut=row.is_cut or len(body) > SHOWN_BODY,
    )


def _json(text: str | None) -> Any:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _headed(response: HttpResponse) -> HttpResponse:
    for name, value in HEADERS.items():
        response[name] = value
    return response
