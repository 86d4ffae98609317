"""Retry, cancel or set aside deliveries by hand, after a page that lists them and asks.

The query says which operation (``what``) and which deliveries (``ids``). Only POST changes anything, and every changed
delivery is logged.
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

from delivery.admin.display import state_pill
from delivery.lifecycle.cancel import UNFINISHED, cancel
from delivery.lifecycle.send_now import send_now
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Delivery
from webhooks.kit.admin.display import link
from webhooks.wire import ids

MAY_OPERATE = "delivery.change_delivery"
MAX_DELIVERIES = 50  # a page of the list; the REST API cancels more at once, by filter
LIST = "admin:delivery_delivery_changelist"
PAGE = "admin:delivery_delivery_operation"


@dataclass(frozen=True, slots=True)
class Operation:
    """Describe an operation; ``run`` returns False for a delivery that was finished already.

    ``question`` is the text of the page's button, with the number of deliveries in place of ``{}``.
    """

    name: str
    title: str
    question: str
    note: str
    done: str
    run: Callable[[Delivery, str], bool]
    is_destructive: bool = False


def _retry(delivery: Delivery, _by: str) -> bool:
    return send_now(delivery)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            "retry",
            "Retry now",
            "Retry {} now",
            "The next attempt is due at once. Rate limits and a paused endpoint still apply.",
            "Queued",
            _retry,
        ),
        Operation(
            "set-aside",
            "Move to dead letters",
            "Move {} to dead letters",
            "Later deliveries of an ordered endpoint can go on. A dead letter can be replayed.",
            "Moved to dead letters",
            set_aside,
        ),
        Operation(
            "cancel",
            "Cancel",
            "Cancel {}",
            "There are no further attempts. The result of an attempt in progress is recorded.",
            "Cancelled",
            cancel,
            is_destructive=True,
        ),
    )
}


class OperationPage:
    """Show the deliveries and ask, then run the operation."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """Ask on GET; run on POST and redirect to the delivery, or to the list if there are several."""
        if not request.user.has_perm(MAY_OPERATE):
            raise PermissionDenied
        try:
            operation, selected = read(request.GET)
        except ValueError as error:
            messages.error(request, str(error))
            return redirect(LIST)
        if request.method == "POST":
            return self._run(request, operation, selected)
        return self._confirm(request, operation, selected)

    def _run(self, request: HttpRequest, operation: Operation, selected: list[Delivery]) -> HttpResponse:
        by = f"admin:{request.user.get_username()}"
        changed = [delivery for delivery in selected if operation.run(delivery, by)]
        for delivery in changed:
            self.model_admin.log_change(request, delivery, f"{operation.done}.")
        if changed:
            messages.success(request, f"{operation.done}: {_counted(len(changed))}")
        if finished := len(selected) - len(changed):
            messages.warning(request, f"Already finished, not changed: {_counted(finished)}")
        return redirect("admin:delivery_delivery_change", selected[0].pk) if len(selected) == 1 else redirect(LIST)

    def _confirm(self, request: HttpRequest, operation: Operation, selected: list[Delivery]) -> HttpResponse:
        unfinished = [delivery for delivery in selected if delivery.state in UNFINISHED]
        is_single = len(selected) == 1
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": operation.question.format(_counted(len(unfinished))),
            "opts": Delivery._meta,
            "media": self.model_admin.media,
            "operation": operation,
            "is_destructive": operation.is_destructive,
            "total": len(unfinished),
            "finished": len(selected) - len(unfinished),
            "rows": [
                (link(it), state_pill(it.state), it.event.type, link(it.endpoint, str(it.endpoint))) for it in selected
            ],
            "back": reverse("admin:delivery_delivery_change", args=[selected[0].pk]) if is_single else reverse(LIST),
        }
        return TemplateResponse(request, "delivery/admin/operation.html", context)


def read(params: QueryDict) -> tuple[Operation, list[Delivery]]:
    """Return the operation and the deliveries of a query. Raises ValueError with a message for the operator."""
    operation = OPERATIONS.get(params.get("what", ""))
    texts = [text for text in params.get("ids", "").split(",") if text]
    if operation is None or not 1 <= len(texts) <= MAX_DELIVERIES:
        raise ValueError(f"Select an operation and 1 to {MAX_DELIVERIES} deliveries.")
    try:
        keys = [ids.parse(Delivery.prefix, text) for text in texts]
    except ValueError as error:
        raise ValueError("Not the ID of a delivery.") from error
    found = Delivery.objects.filter(pk__in=keys).select_related("event", "endpoint__http").order_by("id")
    selected = list(found.defer("body", "event__body", "event__digest"))
    if not selected:
        raise ValueError("These deliveries no longer exist.")
    return operation, selected


def path_to(operation: str, public_ids: list[str]) -> str:
    """Return the path of the page that asks about these deliveries."""
    return f"{reverse(PAGE)}?{urlencode({'what': operation, 'ids': ','.join(public_ids)})}"


def _counted(number: int) -> str:
    return "1 delivery" if number == 1 else f"{number} deliveries"
