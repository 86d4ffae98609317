"""Run an action on the selected rows of a list, and show new secrets once."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from subscriptions.errors import Invalid


def run_for_each(
    model_admin: Any, request: HttpRequest, selected: QuerySet[Any], run: Callable[[Any], object], done: str
) -> None:
    """Call ``run`` with each row; log and report ``done``, or report why the row was refused."""
    for row in selected:
        try:
            run(row)
        except Invalid as error:
            model_admin.message_user(request, f"{row}: {error}", messages.ERROR)
        except row.DoesNotExist:
            model_admin.message_user(request, f"{row}: deleted", messages.ERROR)
        else:
            model_admin.log_change(request, row, done)
            model_admin.message_user(request, f"{row}: {done}", messages.SUCCESS)


def confirm_rotation(
    model_admin: Any,
    request: HttpRequest,
    selected: QuerySet[Any],
    title: str,
    note: str,
) -> HttpResponse:
    """Return the page that asks before the action ``rotate``; ``note`` says how long the old ones are valid."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "note": note,
        "selected": selected,
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
        "opts": model_admin.opts,
        "media": model_admin.media,
    }
    return TemplateResponse(request, "subscriptions/admin/confirm_rotation.html", context)


def show_once(model_admin: Any, request: HttpRequest, title: str, texts: list[tuple[str, str]]) -> HttpResponse:
    """Return a page with names and secret texts that browsers do not store."""
    context = {**model_admin.admin_site.each_context(request), "title": title, "texts": texts, "opts": model_admin.opts}
    context["media"] = model_admin.media
    response = TemplateResponse(request, "subscriptions/admin/shown_once.html", context)
    response["Cache-Control"] = "no-store"
    return response
