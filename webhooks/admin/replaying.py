"""The page that asks before receipts are handled again: chosen ones, one, or all dead ones of a source.

GET, or a POST without the confirmation, counts and asks; only a confirmed POST changes anything, and who did it is
written down.
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
from webhooks.processing.replay import MAX_PER_CALL, count_replayable, replay

PERMISSION = "webhooks.replay_receipt"


def may_replay(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which receipts, in words too; where to go afterwards; who writes down that it was done (given the count)."""

    receipts: QuerySet[Receipt]
    said: str
    back: str
    log: Callable[[int], object]
    chosen: tuple[Any, ...] = ()
    """The keys, if they were ticked in a list."""


def ask(model_admin: Any, request: HttpRequest, wish: Wish) -> HttpResponse:
    """Ask, or do it. Raises PermissionDenied."""
    if not may_replay(request):
        raise PermissionDenied
    if request.method == "POST" and request.POST.get("confirmed") == "yes":
        done = replay(wish.receipts)
        wish.log(done.replayed)
        rest = (
            f" There are {done.remaining:,}{'+' if done.remaining == MAX_PER_CALL else ''} more."
            if done.remaining
            else ""
        )
        messages.success(request, f"{done.replayed:,} made due again.{rest}")
        return redirect(wish.back)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Replay",
        "opts": Receipt._meta,
        "media": model_admin.media,
        "count": count_replayable(wish.receipts),
        "most": MAX_PER_CALL,
        "wish": wish,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "webhooks/admin/replay.html", context)
