"""Retry, resend, cancel or set aside deliveries by hand, after a confirmation page that lists them.

In the URL, ``what`` is the name of the operation and ``ids`` are the ids of the deliveries, separated by commas. GET
shows the page; POST runs the operation and writes each changed delivery to the admin's log.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from delivery.admin.display import state_pill
from delivery.lifecycle.cancel import UNFINISHED, cancel
from delivery.lifecycle.retry_now import retry_now
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Delivery
from delivery.replaying.resend import resend
from subscriptions.errors import StateConflict
from webhooks.kit.admin.display import link
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.audit.operation import begin, report
from webhooks.wire import ids

MAY_OPERATE = "delivery.change_delivery"
MAX_DELIVERIES = 50  # in one operation: as many as a page of the list shows; the REST API can cancel more, by filter
FINISHED = (Delivery.State.DELIVERED, Delivery.State.DEAD, Delivery.State.CANCELLED, Delivery.State.SUPERSEDED)
LIST_URL_NAME = "admin:delivery_delivery_changelist"
PAGE_URL_NAME = "admin:delivery_delivery_operation"


@dataclass(frozen=True, slots=True)
class Operation:
    """Describe an operation on deliveries and its texts.

    ``title`` and ``note`` are shown above the deliveries. ``button`` is the text of the button that confirms, with
    ``{}`` for a count such as "2 deliveries". ``success`` begins the message after the operation. ``run`` takes a
    delivery and the name of the user, and returns False if it changed nothing. It changes deliveries in ``states``;
    ``unchanged`` says why others stay as they are.
    """

    name: str
    title: str
    button: str
    note: str
    success: str
    run: Callable[[Delivery, str], bool]
    states: Collection[str] = UNFINISHED
    unchanged: str = "Finished already."
    is_destructive: bool = False

    def applies_to(self, delivery: Delivery) -> bool:
        """Return whether the operation changes a delivery in its present state."""
        return delivery.state in self.states


def _retry(delivery: Delivery, _user: str) -> bool:
    return retry_now(delivery)


def _resend(delivery: Delivery, user: str) -> bool:
    try:
        resend(delivery, user)
    except StateConflict:
        return False
    return True


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            name="retry",
            title="Retry now",
            button="Retry {} now",
            note="The next attempt is due at once. The rate limit still applies, and a paused endpoint stays paused.",
            success="Queued",
            run=_retry,
        ),
        Operation(
            name="resend",
            title="Resend",
            button="Resend {}",
            note="It is sent again with the same webhook-id, and its retry plan starts anew.",
            success="Queued again",
            run=_resend,
            states=FINISHED,
            unchanged="Not finished yet, or its payload is erased, or its endpoint is disabled.",
        ),
        Operation(
            name="set-aside",
            title="Move to dead letters",
            button="Move {} to dead letters",
            note="Later deliveries of an ordered endpoint can go on. A dead letter can be replayed.",
            success="Moved to dead letters",
            run=set_aside,
        ),
        Operation(
            name="cancel",
            title="Cancel",
            button="Cancel {}",
            note="There are no further attempts. The result of an attempt in progress is recorded.",
            success="Cancelled",
            run=cancel,
            is_destructive=True,
        ),
    )
}


class OperationPage:
    """Show a confirmation page with the selected deliveries; run the operation when it is confirmed."""

    def __init__(self, model_admin: AdminList) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """Show the confirmation page; on POST run the operation and redirect to the one delivery or to the list."""
        if not request.user.has_perm(MAY_OPERATE):
            raise PermissionDenied
        try:
            operation, selected = read_selection(request.GET)
        except ValueError as error:
            messages.error(request, str(error))
            return redirect(LIST_URL_NAME)
        if request.method == "POST":
            return self._run(request, operation, selected)
        return self._confirm(request, operation, selected)

    def _run(self, request: HttpRequest, operation: Operation, selected: list[Delivery]) -> HttpResponse:
        user = f"admin:{request.user.get_username()}"
        changed = [delivery for delivery in selected if self._is_changed(request, operation, delivery, user)]
        report(operation.title, len(changed), len(selected) - len(changed))
        if changed:
            messages.success(request, f"{operation.success}: {_counted(len(changed))}")
        if unchanged := len(selected) - len(changed):
            messages.warning(request, f"Not changed: {_counted(unchanged)}. {operation.unchanged}")
        if len(selected) == 1:
            return redirect("admin:delivery_delivery_change", selected[0].pk)
        return redirect(LIST_URL_NAME)

    def _is_changed(self, request: HttpRequest, operation: Operation, delivery: Delivery, user: str) -> bool:
        """Run the operation on one delivery, and log that it changed it."""
        begin(delivery, done := f"{operation.success}.")
        if not operation.run(delivery, user):
            return False
        self.model_admin.log_change(request, delivery, done)
        return True

    def _confirm(self, request: HttpRequest, operation: Operation, selected: list[Delivery]) -> HttpResponse:
        changing = [delivery for delivery in selected if operation.applies_to(delivery)]
        one = selected[0] if len(selected) == 1 else None
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": operation.button.format(_counted(len(changing))),
            "opts": Delivery._meta,
            "media": self.model_admin.media,
            "operation": operation,
            "is_destructive": operation.is_destructive,
            "total": len(changing),
            "unchanged": len(selected) - len(changing),
            "rows": [
                (link(it), state_pill(it.state), it.event.type, link(it.endpoint, str(it.endpoint))) for it in selected
            ],
            "back": reverse("admin:delivery_delivery_change", args=[one.pk]) if one else reverse(LIST_URL_NAME),
        }
        return TemplateResponse(request, "delivery/admin/operation.html", context)


def read_selection(params: QueryDict) -> tuple[Operation, list[Delivery]]:
    """Return the operation and the deliveries that a URL names. Raises ValueError with a message for the user."""
    operation = OPERATIONS.get(params.get("what", ""))
    texts = [text for text in params.get("ids", "").split(",") if text]
    if operation is None or not 1 <= len(texts) <= MAX_DELIVERIES:
        raise ValueError(f"Select an operation and 1 to {MAX_DELIVERIES} deliveries.")
    try:
        keys = [ids.parse(Delivery.prefix, text) for text in texts]
    except ValueError as error:
        raise ValueError("ids must contain IDs of deliveries only.") from error
    found = (
        Delivery.objects.filter(pk__in=keys)
        .select_related("event", "endpoint__http", "endpoint__destination")
        .order_by("id")
    )
    selected = list(found.defer("body", "event__body", "event__original", "event__digest"))
    if not selected:
        raise ValueError("These deliveries no longer exist.")
    return operation, selected


def operation_path(operation: str, public_ids: list[str]) -> str:
    """Return the path of the confirmation page for an operation on these deliveries."""
    return f"{reverse(PAGE_URL_NAME)}?{urlencode({'what': operation, 'ids': ','.join(public_ids)})}"


def _counted(number: int) -> str:
    return "1 delivery" if number == 1 else f"{number} deliveries"
