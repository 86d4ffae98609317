"""Ask before receipts are replayed: selected ones, a single one, or all failed ones of a source.

GET, or a POST without the confirmation, counts and asks. A confirmed POST replays and is logged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from webhooks.models import Receipt
from webhooks.processing.replay import MAX_PER_CALL, ReplayResult, count_replayable, replay

PERMISSION = "webhooks.replay_receipt"


def may_replay(request: HttpRequest) -> bool:
    """Return whether the user may replay receipts."""
    return request.user.has_perm(PERMISSION)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Describe the receipts to replay.

    ``back``: the page to return to. ``log``: called with the number of replayed receipts. ``selected``: the keys, if
    the receipts were selected in a list.
    """

    receipts: QuerySet[Receipt]
    description: str
    back: str
    log: Callable[[int], object]
    selected: tuple[Any, ...] = ()


def confirm_replay(model_admin: Any, request: HttpRequest, wanted: ReplayRequest) -> HttpResponse:
    """Ask, or replay if the request confirms it. Raises PermissionDenied."""
    if not may_replay(request):
        raise PermissionDenied
    if request.method == "POST" and request.POST.get("confirmed") == "yes":
        result = replay(wanted.receipts)
        wanted.log(result.replayed)
        messages.success(request, _message(result))
        return redirect(wanted.back)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Replay receipts",
        "opts": Receipt._meta,
        "media": model_admin.media,
        "count": count_replayable(wanted.receipts),
        "max_per_call": MAX_PER_CALL,
        "wanted": wanted,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "webhooks/admin/replay.html", context)


def _message(result: ReplayResult) -> str:
    text = f"Replay started: {result.replayed:,} {'receipt' if result.replayed == 1 else 'receipts'}."
    if not result.remaining:
        return text
    return f"{text} {result.remaining:,}{'+' if result.remaining == MAX_PER_CALL else ''} remaining: replay again."
