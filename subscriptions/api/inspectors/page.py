"""Show the requests of an inspector to a browser, the newest first, and for its script what has changed since.

The address of the page is all that is needed to read it, so it must not spread: no referrer, no index, no cache.
Everything that a request contains is shown as text.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from subscriptions.inspectors.inspectors import find_inspector, url_of
from subscriptions.inspectors.shown_requests import shown_requests
from subscriptions.models import InspectedRequest, Inspector
from webhooks.audit.looks import record_open_look
from webhooks.wire.ids import parse

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "private, no-store",
}


@require_safe
def page(request: HttpRequest, page_token: str) -> HttpResponse:
    """Return the page with the latest requests."""
    inspector = find_inspector(page_token=page_token)
    if inspector is None:
        return _headed(render(request, "subscriptions/inspectors/expired.html", status=404))
    record_open_look(request, inspector)
    context = {
        **_settings_of(inspector),
        "url": url_of(inspector),
        "requests": shown_requests(inspector.requests.all()),
    }
    return _headed(render(request, "subscriptions/inspectors/page.html", context))


@require_safe
def newer(request: HttpRequest, page_token: str) -> HttpResponse:
    """Return the parts of the page that have changed; 204 if none has.

    These are the requests that arrived after the one that ``?after=`` names, and the inspector's settings if they are
    not those that the page shows (``?settings=``).
    """
    inspector = find_inspector(page_token=page_token)
    if inspector is None:
        return _headed(HttpResponse(status=404))
    rows = inspector.requests.all()
    try:
        rows = rows.filter(pk__gt=parse(InspectedRequest.prefix, request.GET.get("after", "")))
    except ValueError:
        pass
    shown, settings = shown_requests(rows), _settings_of(inspector)
    if not shown and request.GET.get("settings", settings["version"]) == settings["version"]:
        return _headed(HttpResponse(status=204))
    return _headed(render(request, "subscriptions/inspectors/changes.html", {**settings, "requests": shown}))


def _settings_of(inspector: Inspector) -> dict[str, object]:
    """Return how the inspector responds, for a template; ``version`` is another one after a change."""
    return {"inspector": inspector, "version": f"{inspector.response_status}-{inspector.response_delay_ms}"}


def _headed(response: HttpResponse) -> HttpResponse:
    for name, value in HEADERS.items():
        response[name] = value
    return response
