"""Run an action on the selected rows of a list, and show new secrets once."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from subscriptions.errors import Invalid
from webhooks.audit.entries import does_change
from webhooks.kit.audit.operation import begin, report


def run_for_each(
    model_admin: Any, request: HttpRequest, selected: Iterable[Any], run: Callable[[Any], object], done: str
) -> None:
    """Call ``run`` with each row; log and report ``done``, or why the row was refused or left as it was."""
    counted = Counter(_is_changed(model_admin, request, row, run, done) for row in selected)
    report(done, counted[True], counted[False])


def _is_changed(model_admin: Any, request: HttpRequest, row: Any, run: Callable[[Any], object], done: str) -> bool:
    """Call ``run`` with a row, and tell the user and the log what became of it."""
    begin(row, done)
    try:
        is_changed = does_change(lambda: run(row))
    except Invalid as error:
        model_admin.message_user(request, f"{row}: {error}", messages.ERROR)
        return False
    except row.DoesNotExist:
        model_admin.message_user(request, f"{row}: deleted", messages.ERROR)
        return False
    if not is_changed:
        model_admin.message_user(request, f"{row}: no change", messages.WARNING)
        return False
    model_admin.log_change(request, row, done)
    model_admin.message_user(request, f"{row}: {done}", messages.SUCCESS)
    return True


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether the page that asks before an action has sent the request."""
    return request.POST.get("confirmed") == "yes"


def confirm_action(
    model_admin: Any,
    request: HttpRequest,
    selected: QuerySet[Any],
    title: str,
    note: str,
    form: Form | None = None,
    *,
    is_destructive: bool = True,
) -> HttpResponse:
    """Return the page that asks before an action on selected rows; ``note`` says what follows from it.

    ``form``: what else it asks for. The page sends the action again, with ``confirmed``.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "note": note,
        "form": form,
        "is_destructive": is_destructive,
        "action": request.POST.get("action", ""),
        "selected": selected,
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
        "opts": model_admin.opts,
        "media": model_admin.media,
    }
    return TemplateResponse(request, "subscriptions/admin/confirm_action.html", context)


def show_once(model_admin: Any, request: HttpRequest, title: str, texts: list[tuple[str, str]]) -> HttpResponse:
    """Return a page with names and secret texts that browsers do not store."""
    context = {**model_admin.admin_site.each_context(request), "title": title, "texts": texts, "opts": model_admin.opts}
    context["media"] = model_admin.media
    response = TemplateResponse(request, "subscriptions/admin/shown_once.html", context)
    response["Cache-Control"] = "no-store"
    return response
