"""Guard every page of the portal: session, CSRF token, rate limit, language, and the headers of the response.

The session's cookie is ``__Host-``-like: only for these pages, not readable by scripts, and where pages may be embedded
it is partitioned (CHIPS), so that it is sent in an iframe of the site that embeds, and in no other. Since such a cookie
has to be ``SameSite=None``, Django's CSRF cookie would not protect; instead every form contains a token that is
derived from the session, and a browser that says that a request is cross-site is refused.
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from delivery.portal.notices import DONE, notice_of
from delivery.portal.operations import OPERATIONS
from delivery.portal.rest import Forbidden, Portal, ReadFailed
from subscriptions.models import PortalLink
from subscriptions.portal_access.links import find_session
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.kit.rate_limit import RateLimit

R = TypeVar("R", bound=HttpResponseBase)

COOKIE = "waypost_portal"
COOKIE_PATH = "/portal/"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-Portal-Csrf"
LANGUAGES = ("en", "de")
POST_ONLY = ["post"]  # methods of a page that is a button
REQUESTS_PER_SECOND = 10  # of one session, per web process
REQUESTS_AT_ONCE = 60
REMEMBERED = 3600.0  # seconds for which the rate of a session is remembered
STATUSES = {403: 403, 404: 404, 429: 429, 503: 503}  # of failed reads that pages show as they are

rates: TimedCache[UUID, RateLimit] = TimedCache(
    lambda _session: RateLimit(REQUESTS_PER_SECOND, max_burst=REQUESTS_AT_ONCE), max_age=REMEMBERED
)


@method_decorator(csrf_exempt, name="dispatch")  # see above
class PortalPage(View):
    """A page of the portal. A subclass names the operation without which the page has no sense."""

    tab: ClassVar[str] = ""
    """Which entry of the navigation is current."""
    operation: ClassVar[tuple[str, str]] = ("GET", "endpoint-list")
    """The operation of the API that a session must be allowed to see the page."""

    portal: Portal
    link: PortalLink

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Respond to a request with a valid session; to all others with a page that says what is wrong."""
        token = request.COOKIES.get(COOKIE, "")
        link = find_session(token) if token else None
        language = link.language if link and link.language else preferred_language(request)
        with translation.override(language):
            if link is None:
                return message_page(
                    request, 401, _("This session has ended"), _("Open the portal again from where you came.")
                )
            self.link, self.portal = link, Portal(link, request)
            return headed(self._guarded(request, token, *args, **kwargs), link)

    def _guarded(self, request: HttpRequest, token: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        wait = seconds_to_wait(self.link.pk)
        if wait:
            response = self.message(429, _("Too many requests"), _("Wait a moment, then reload this page."))
            response["Retry-After"] = str(wait)
            return response
        if request.method == "POST" and not _is_from_our_pages(request, token):
            return self.message(403, _("This form is no longer valid"), _("Reload the page and send it again."))
        try:
            self._check_operation()
            return super().dispatch(request, *args, **kwargs)
        except Forbidden:
            return self.message(403, _("Not allowed"), _("This session does not include what this needs."))
        except ReadFailed as error:
            if error.status == 404:
                return self.message(404, _("Not found"), _("It does not exist, or was deleted."))
            return self.message(STATUSES.get(error.status, 400), _("This did not work"), error.detail)

    def _check_operation(self) -> None:
        missing = OPERATIONS[self.operation].needs - self.portal.capabilities
        if missing:
            raise Forbidden(missing)

    def page(self, template: str, context: Mapping[str, Any] | None = None, status: int = 200) -> HttpResponse:
        """Return a page, or a part of one, from a template in ``delivery/portal/``."""
        shared = {**frame_context(self.link), "portal": self.portal, "link": self.link, "tab": self.tab}
        shared["csrf"] = csrf_token(self.request.COOKIES.get(COOKIE, ""))
        shared["can"] = Allowed(self.portal)
        shared["notice"] = notice_of(self.request.GET.get(DONE)) if self.request.method == "GET" else ""
        return render(self.request, f"delivery/portal/{template}", {**shared, **(context or {})}, status=status)

    def done(self, notice: str, name: str, *path: str) -> HttpResponseBase:
        """Return a redirect, after a form, to a page by the name of its route; that says what was done.

        ``notice``: a key of NOTICES.
        """
        return see_other(f"{reverse(name, args=path)}?{DONE}={notice}")

    def message(self, status: int, title: str, text: str) -> HttpResponse:
        """Return a page that says what is wrong."""
        return self.page("message.html", {"title": title, "text": text, "tab": ""}, status)

    @property
    def is_part(self) -> bool:
        """Return whether a script asks for a part of the page."""
        return self.request.headers.get("HX-Request") == "true"


class Allowed:
    """Answer ``can.manage`` and the like in templates by the operations that stand for them."""

    STANDS_FOR: ClassVar[dict[str, tuple[str, str]]] = {
        "manage": ("PATCH", "endpoint-detail"),
        "replay": ("POST", "delivery-resend"),
        "rotate": ("POST", "endpoint-secrets"),
        "create_keys": ("POST", "key-list"),
        "revoke_keys": ("DELETE", "key-detail"),
    }

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def __getitem__(self, name: str) -> bool:
        return self._portal.may(*self.STANDS_FOR[name])


def see_other(url: str) -> HttpResponse:
    """Return a redirect after a form, which the browser follows with GET."""
    response = HttpResponse(status=303)
    response["Location"] = url
    return response


def message_page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    """Return a page that says what is wrong, without a session."""
    context = {"title": title, "text": text, **frame_context(None)}
    return headed(render(request, "delivery/portal/message.html", context, status=status), None)


def frame_context(link: PortalLink | None) -> dict[str, Any]:
    """Return what the frame of every page needs."""
    theme = link.theme if link else {}
    return {
        "theme": theme,
        "mode": theme.get("mode") or "auto",
        "theme_version": link.public_id if link else "",
        "is_limited": link is not None and link.endpoint_id is not None,
        "language": translation.get_language() or "en",
    }


def csrf_token(session: str) -> str:
    """Return the token that proves that a form is from a page of this session."""
    return salted_hmac("delivery.portal", session, algorithm="sha256").hexdigest()


def seconds_to_wait(session: UUID) -> int:
    """Spend a request of a session; return the seconds until it has one, 0 if it had."""
    limit, now = rates.get(session), time.monotonic()
    if limit.tokens(now) < 1:
        return max(1, round(limit.ready_at(now) - now))
    limit.spend(1, now)
    return 0


def preferred_language(request: HttpRequest) -> str:
    """Return the first language that the browser prefers and the pages have."""
    for part in request.headers.get("Accept-Language", "").split(","):
        language = part.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def is_embeddable() -> bool:
    """Return whether pages of other sites may show the portal."""
    return bool(settings.WAYPOST_PORTAL_FRAME_ANCESTORS)


def headed(response: R, link: PortalLink | None) -> R:
    """Add the headers that every page of the portal has."""
    logo = _origin_of(link.theme.get("logo_url", "") if link else "")
    ancestors = " ".join(settings.WAYPOST_PORTAL_FRAME_ANCESTORS) or "'none'"
    response["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        f"img-src 'self' data:{logo and f' {logo}'}; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors {ancestors}"
    )
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Cache-Control"] = response.get("Cache-Control", "private, no-store")
    response.xframe_options_exempt = True  # type: ignore[attr-defined]  # frame-ancestors says more
    return response


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def _is_from_our_pages(request: HttpRequest, session: str) -> bool:
    """Return whether a form, or a script, of a page of this session sends the request."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    given = request.headers.get(CSRF_HEADER) or request.POST.get(CSRF_FIELD, "")
    return constant_time_compare(given, csrf_token(session))
