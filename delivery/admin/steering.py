"""The page that steers deliveries by hand: cancel them, send them now, or park them. It shows which, then asks.

What is asked for stands in the query: ``what``, and the ``ids`` of the deliveries. Only its POST changes anything, and
each delivery that was changed is written down.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin

from delivery.admin.browsing import link
from delivery.admin.display import pill
from delivery.lifecycle.cancel import UNFINISHED, cancel
from delivery.lifecycle.send_now import send_now
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Delivery
from webhooks.wire import ids

__all__ = ["STEER", "STEPS", "Steering", "path_to"]

STEER = "delivery.change_delivery"  # the permission to steer deliveries
MOST = 50  # at a time: a page of the list; more of them are cancelled by a filter, over REST
LIST = "admin:delivery_delivery_changelist"
PAGE = "admin:delivery_delivery_steer"


@dataclass(frozen=True, slots=True)
class Step:
    """What can be done: ``verb`` tells whether the delivery had not ended before."""

    name: str
    title: str
    asked: str  # what the page's button says, with how many
    note: str
    done: str
    verb: Callable[[Delivery, str], bool]
    grave: bool = False


STEPS = {
    step.name: step
    for step in (
        Step(
            "retry",
            "Send now",
            "Send {} now",
            "Ahead of its plan. A rate limit, and a pause of the endpoint, hold as ever.",
            "Due now",
            lambda delivery, by: send_now(delivery),
        ),
        Step(
            "set-aside",
            "Move to dead letters",
            "Move {} to dead letters",
            "It becomes a dead letter at once, so that what is behind it can go on. A replay brings it back.",
            "Moved to dead letters",
            set_aside,
        ),
        Step(
            "cancel",
            "Cancel",
            "Cancel {}",
            "It is not sent any more. An attempt that is under way stays on record, and nothing follows it.",
            "Cancelled",
            cancel,
            grave=True,
        ),
    )
}


class Steering:
    """The page, below the list of deliveries."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """GET shows them, POST acts and leads back: to the one, or to the list."""
        if not request.user.has_perm(STEER):
            raise PermissionDenied
        try:
            step, chosen = read(request.GET)
        except ValueError as error:
            messages.error(request, str(error))
            return redirect(LIST)
        if request.method == "POST":
            return self._act(request, step, chosen)
        return self._confirm(request, step, chosen)

    def _act(self, request: HttpRequest, step: Step, chosen: list[Delivery]) -> HttpResponse:
        by = f"admin:{request.user.get_username()}"
        steered = [delivery for delivery in chosen if step.verb(delivery, by)]
        for delivery in steered:
            self.model_admin.log_change(request, delivery, f"{step.done}.")
        if steered:
            messages.success(request, f"{step.done}: {_counted(len(steered))}.")
        if late := len(chosen) - len(steered):
            stayed = "it was" if late == 1 else "they were"
            messages.warning(request, f"{_counted(late)} had ended before, and stayed as {stayed}.")
        return redirect("admin:delivery_delivery_change", chosen[0].pk) if len(chosen) == 1 else redirect(LIST)

    def _confirm(self, request: HttpRequest, step: Step, chosen: list[Delivery]) -> HttpResponse:
        waiting = [delivery for delivery in chosen if delivery.state in UNFINISHED]
        back = reverse("admin:delivery_delivery_change", args=[chosen[0].pk]) if len(chosen) == 1 else reverse(LIST)
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": step.asked.format(_counted(len(waiting))),
            "crumb": step.title,
            "opts": Delivery._meta,
            "media": self.model_admin.media,
            "step": step,
            "total": len(waiting),
            "ended": len(chosen) - len(waiting),
            "rows": [(link(it), pill(it.state), it.event.type, link(it.endpoint, str(it.endpoint))) for it in chosen],
            "back": back,
        }
        return TemplateResponse(request, "delivery/admin/steer.html", context)


def read(params: QueryDict) -> tuple[Step, list[Delivery]]:
    """Raises ValueError, in words for the operator, for what names nothing."""
    step = STEPS.get(params.get("what", ""))
    named = [text for text in params.get("ids", "").split(",") if text]
    if step is None or not named or len(named) > MOST:
        raise ValueError(f"Say what to do, and with which deliveries: {MOST} at most.")
    try:
        keys = [ids.parse(Delivery.prefix, text) for text in named]
    except ValueError as error:
        raise ValueError("That is not the id of a delivery.") from error
    found = Delivery.objects.filter(pk__in=keys).select_related("event", "endpoint").order_by("id")
    chosen = list(found.defer("body", "event__body", "event__digest"))
    if not chosen:
        raise ValueError("There are no such deliveries any more.")
    return step, chosen


def path_to(step: str, public_ids: list[str]) -> str:
    """Where the page asks about these."""
    return f"{reverse(PAGE)}?{urlencode({'what': step, 'ids': ','.join(public_ids)})}"


def _counted(number: int) -> str:
    return "1 delivery" if number == 1 else f"{number} deliveries"
