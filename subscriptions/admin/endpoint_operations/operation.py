"""Register operations on an endpoint, show them as buttons on its page, and run them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from subscriptions.errors import Invalid
from subscriptions.models import Endpoint

CHANGE = "subscriptions.change_endpoint"  # permission
Run = Callable[[Endpoint, Mapping[str, Any]], str]
PAGE_URL_NAME = "admin:subscriptions_endpoint_operation"


def always(_endpoint: Endpoint) -> bool:
    """Offer an operation whatever the state of the endpoint."""
    return True


@dataclass(frozen=True, slots=True)
class EndpointOperation:
    """Describe an operation on an endpoint.

    ``title`` is the text of the button, ``note`` says what happens. ``applies`` decides whether the button is shown.
    ``run`` takes the endpoint and the fields of ``form``, and returns what was done, for the message and the log; it
    raises Invalid. ``asks``: a page asks before. ``path``: instead of all this, the button is a
    link to another page.
    """

    name: str
    title: str
    note: str = ""
    run: Run | None = None
    applies: Callable[[Endpoint], bool] = always
    form: type[forms.Form] | None = None
    asks: bool = False
    is_destructive: bool = False
    permission: str = CHANGE
    path: Callable[[Endpoint], str] | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """Show an operation: a link, or (``posts``) a form that runs it at once."""

    title: str
    path: str
    posts: bool
    note: str
    is_destructive: bool


OPERATIONS: dict[str, EndpointOperation] = {}
"""The operations by name, in the order of their buttons."""


def register(*operations: EndpointOperation) -> None:
    """Add operations at the end."""
    OPERATIONS.update({operation.name: operation for operation in operations})


def buttons(request: HttpRequest, endpoint: Endpoint) -> list[Button]:
    """Return the buttons of the operations that the user may run and that apply to the endpoint."""
    if endpoint.deleted_at is not None:
        return []
    return [
        _button(it, endpoint)
        for it in OPERATIONS.values()
        if request.user.has_perm(it.permission) and it.applies(endpoint)
    ]


def operation_page(model_admin: Any, request: HttpRequest, pk: Any, name: str) -> HttpResponse:
    """Ask on GET; on POST run the operation and redirect to the endpoint. Raises PermissionDenied and Http404."""
    operation = OPERATIONS.get(name)
    if operation is None or operation.run is None:
        raise Http404
    if not request.user.has_perm(operation.permission):
        raise PermissionDenied
    rows = Endpoint.objects.filter(deleted_at=None).select_related("tenant", "http", "destination")
    endpoint = get_object_or_404(rows, pk=pk)
    form = operation.form(request.POST or None) if operation.form else None
    if request.method == "POST" and (form is None or form.is_valid()):
        fields = form.cleaned_data if form else {}
        _run(model_admin, request, endpoint, partial(operation.run, endpoint, fields))
        return redirect("admin:subscriptions_endpoint_change", endpoint.pk)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": operation.title.rstrip("…"),
        "opts": Endpoint._meta,
        "media": model_admin.media,
        "operation": operation,
        "endpoint": endpoint,
        "form": form,
        "back": reverse("admin:subscriptions_endpoint_change", args=[endpoint.pk]),
    }
    return TemplateResponse(request, "subscriptions/admin/endpoint_operation.html", context)


def _run(model_admin: Any, request: HttpRequest, endpoint: Endpoint, run: Callable[[], str]) -> None:
    try:
        done = run()
    except Invalid as error:
        messages.error(request, f"{endpoint}: {error.message}")
        return
    model_admin.log_change(request, endpoint, done)
    messages.success(request, f"{endpoint}: {done}")


def _button(operation: EndpointOperation, endpoint: Endpoint) -> Button:
    path = (
        operation.path(endpoint)
        if operation.path is not None
        else reverse(PAGE_URL_NAME, args=[endpoint.pk, operation.name])
    )
    posts = operation.path is None and not operation.asks
    return Button(operation.title, path, posts, operation.note, operation.is_destructive)
