"""Show 403, 404, 405 and 500 of the admin in its frame, with what can be done; elsewhere as problems or plain pages."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views import defaults

from config.web.request_ids import ENVIRON
from subscriptions.api.conventions import errors

TEXTS = {
    403: ("Not allowed", "Your account has no permission for this. Ask an administrator for a role that has."),
    404: (
        "Not found",
        "There is no such page, or what it showed has been deleted.",
    ),
    405: ("Nothing to show", "This address takes what a button sends, and has no page. Go back, and use the button."),
    500: ("Something failed", "The error has been logged. Name this ID when you report it:"),
}


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 403 for Django."""
    return _in_frame(request, 403) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 404 for Django."""
    return _in_frame(request, 404) or errors.not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """Handle 500 for Django. The page is plain if the admin's frame cannot be made, as without the database."""
    plain = errors.failed(request)
    if plain.status_code != 500:
        return plain
    try:
        return _in_frame(request, 500) or plain
    except Exception:  # whatever has failed may fail again
        return plain


class MethodPages:
    """Middleware that shows a page in the admin where a view responds 405, which a browser would show as empty."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Respond as the view does, with a page for its 405."""
        response = self.get_response(request)
        page = _in_frame(request, 405) if response.status_code == 405 and request.method == "GET" else None
        if page is None:
            return response
        page.headers["Allow"] = response.headers["Allow"]
        return page


def _in_frame(request: HttpRequest, status: int) -> HttpResponse | None:
    """Return the page in the admin's frame; None outside the admin, and for a visitor who may not use it."""
    if not request.path_info.startswith("/admin/") or not admin.site.has_permission(request):
        return None
    title, text = TEXTS[status]
    context: dict[str, Any] = {**admin.site.each_context(request), "title": title, "text": text}
    context["request_id"] = request.META.get(ENVIRON, "") if status == 500 else ""
    return TemplateResponse(request, "config/error.html", context, status=status).render()
