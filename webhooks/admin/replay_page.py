"""Ask before receipts are replayed: selected ones, a single one, or all failed ones of a source.

GET, or a POST without the confirmation, counts and asks. A confirmed POST replays and is logged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from webhooks.models import Receipt
from webhooks.processing.replays import ReceiptCount

PERMISSION = "webhooks.replay_receipt"


def may_replay(request: HttpRequest) -> bool:
    """Return whether the user may replay receipts."""
    return request.user.has_perm(PERMISSION)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Describe the receipts to replay.

    ``counted``: how many there are. ``back``: the page to return to. ``run``: replays them, adds to the history, and
    returns the number and the page to show. ``selected``: the keys, if the receipts were selected in a list.
    """

    counted: ReceiptCount
    description: str
    back: str
    run: Callable[[], tuple[ReceiptCount, str]]
    selected: tuple[Any, ...] = ()


def confirm_replay(model_admin: Any, request: HttpRequest, wanted: ReplayRequest) -> HttpResponse:
    """Ask, or replay if the request confirms it."""
    if request.method == "POST" and request.POST.get("confirmed") == "yes":
        replayed, page = wanted.run()
        number = f"{replayed.total:,}{'+' if replayed.is_lower_bound else ''}"
        messages.success(request, f"Replay started: {number} {'receipt' if replayed.total == 1 else 'receipts'}.")
        return redirect(page)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Replay receipts",
        "opts": Receipt._meta,
        "media": model_admin.media,
        "wanted": wanted,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "webhooks/admin/replay.html", context)


def check_may_replay(request: HttpRequest) -> None:
    """Raise PermissionDenied unless the user may replay receipts."""
    if not may_replay(request):
        raise PermissionDenied
