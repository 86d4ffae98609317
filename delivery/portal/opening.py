"""Open a portal link, end a session, and serve the stylesheet of its theme.

A link works once, so only a browser that navigates opens it: what looks at links in messages (previews, scanners) gets
a page with a button instead. A link is one that the API has created, or one that the host's application has signed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from delivery.portal.gate import (
    COOKIE,
    COOKIE_PATH,
    POST_ONLY,
    PortalPage,
    frame_context,
    headed,
    is_embeddable,
    message_page,
    preferred_language,
)
from subscriptions.api.portal.signed_links import InvalidLink, read_signed_link
from subscriptions.models import PortalLink
from subscriptions.portal_access.links import find_unopened, open_link, open_unsaved, revoke_link
from subscriptions.portal_access.signed_links import is_signed
from subscriptions.portal_access.theme import font_of, palette
from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.operation import Operation, running
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.rate_limit import RateLimit

OPENED_PER_MINUTE = 30  # links that one address may try, per web process
REMEMBERED = 3600.0  # seconds

attempts: TimedCache[str, RateLimit] = TimedCache(
    lambda _address: RateLimit(OPENED_PER_MINUTE / 60, max_burst=OPENED_PER_MINUTE), max_age=REMEMBERED
)


@csrf_exempt  # a cross-site page could only open a link that it has itself
@require_http_methods(["GET", "HEAD", "POST"])
def open_portal(request: HttpRequest, token: str) -> HttpResponse:
    """Open a link for a browser that navigates to it, and begin its session; show a button to all others."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    with translation.override(preferred_language(request)):
        if _is_too_fast(address):
            return message_page(request, 429, _("Too many requests"), _("Wait a minute, then try again."))
        try:
            link = read_signed_link(token) if is_signed(token) else find_unopened(token)
        except InvalidLink as error:
            return message_page(request, 400, _("This link is not valid"), str(error))
        if link is None:
            return _over(request)
        if request.method == "POST" or _is_navigation(request):
            with _operation(link, address):
                opened = open_unsaved(link, address) if is_signed(token) else open_link(token, address)
            return _begin(request, *opened) if opened else _over(request)
        response = render(request, "delivery/portal/open.html", frame_context(None))
        return headed(response, None)


class EndSession(PortalPage):
    """End the session, and lead back to the site that it came from."""

    http_method_names = POST_ONLY

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Revoke the link and delete the cookie."""
        revoke_link(self.link)
        title, text = _("You are signed out"), _("You can close this page.")
        response = message_page(request, 200, title, text)
        _set_cookie(request, response, "", 0)
        return response


class ThemeSheet(PortalPage):
    """Serve the colours and the font of the session's theme as a stylesheet, since no page has styles in it."""

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the stylesheet."""
        theme = self.link.theme
        context = {"light": palette(theme, dark=False), "dark": palette(theme, dark=True), "font": font_of(theme)}
        response = self.page("theme.css", context)
        response["Content-Type"] = "text/css; charset=utf-8"
        response["Cache-Control"] = "private, max-age=600"
        return response


@contextmanager
def _operation(link: PortalLink, address: str) -> Iterator[None]:
    """Run the block as an operation of the user of a link, for the audit."""
    with running(Operation(AuditEntry.Origin.PORTAL, "portal-open", address=address)) as operation:
        operation.origin, operation.name = AuditEntry.Origin.PORTAL, "portal-open"
        operation.actor_type, operation.actor_name = "portal", f"portal: {link.user or link.public_id}"
        operation.actor_tenant_id = operation.tenant_id = link.tenant_id
        yield


def _begin(request: HttpRequest, link: PortalLink, session: str) -> HttpResponse:
    """Redirect to the first page of the session, with its cookie."""
    path = reverse("portal-endpoint", args=[link.endpoint.public_id]) if link.endpoint else reverse("portal")
    response = redirect(path)
    response.status_code = 303
    _set_cookie(request, response, session, link.session_seconds)
    return headed(response, link)


def _set_cookie(request: HttpRequest, response: HttpResponse, session: str, seconds: int) -> None:
    """Set the cookie of the session; http.cookies knows no ``Partitioned`` before Python 3.14."""
    is_safe = request.is_secure() or request.get_host().partition(":")[0] in ("localhost", "127.0.0.1")
    attributes = f"Path={COOKIE_PATH}; Max-Age={seconds}; HttpOnly"
    if is_embeddable() and is_safe:
        attributes += "; Secure; SameSite=None; Partitioned"
    else:
        attributes += "; SameSite=Lax" + ("; Secure" if settings.SESSION_COOKIE_SECURE else "")
    response["Set-Cookie"] = f"{COOKIE}={session}; {attributes}"


def _over(request: HttpRequest) -> HttpResponse:
    title = _("This link can no longer be opened")
    return message_page(
        request, 410, title, _("It works once and for a short time. Open the portal again from where you came.")
    )


def _is_navigation(request: HttpRequest) -> bool:
    """Return whether a browser navigates to the link, in a window or in a frame, and not ahead of a click."""
    headers = request.headers
    if request.method != "GET" or headers.get("Sec-Purpose", headers.get("Purpose", "")):
        return False
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") in ("document", "iframe")


def _is_too_fast(address: str) -> bool:
    limit, now = attempts.get(address), time.monotonic()
    if limit.tokens(now) < 1:
        return True
    limit.spend(1, now)
    return False
