"""Register operations on a row, show them as buttons on its page, and run them after a confirmation where it hurts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet, UUIDField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from subscriptions.errors import Invalid
from webhooks.kit.audit.operation import begin, report

CHANGE = "subscriptions.change_endpoint"  # permission
R = TypeVar("R", bound=Model)


def always(_row: Any) -> bool:
    """Offer an operation whatever the state of the row."""
    return True


def no_count(_row: Any) -> str:
    """Say nothing of what an operation will change."""
    return ""


@dataclass(frozen=True)
class Operation(Generic[R]):
    """Describe an operation on a row.

    ``title`` is the text of the button, ``note`` says what happens. ``applies`` decides whether the button is shown.
    ``run`` takes the row and the fields of ``form``, and returns what was done, for the message and the log; it
    raises Invalid. ``asks``: a page asks before, which shows what ``count`` says of the row. ``path``: instead of all
    this, the button is a link to another page.
    """

    name: str
    title: str
    note: str = ""
    run: Callable[[R, Mapping[str, Any]], str] | None = None
    applies: Callable[[R], bool] = always
    form: type[forms.Form] | None = None
    asks: bool = False
    is_destructive: bool = False
    permission: str = CHANGE
    path: Callable[[R], str] | None = None
    count: Callable[[R], str] = no_count


@dataclass(frozen=True, slots=True)
class Button:
    """Show an operation: a link, or (``posts``) a form that runs it at once."""

    title: str
    path: str
    posts: bool
    note: str
    is_destructive: bool


class Operations(Generic[R]):
    """Keep the operations on the rows of one table, by name, in the order of their buttons."""

    def __init__(self, rows: Callable[[], QuerySet[R]]) -> None:
        """``rows`` returns the rows that can be operated on."""
        self.rows = rows
        self.by_name: dict[str, Operation[R]] = {}

    def register(self, *operations: Operation[R]) -> None:
        """Add operations at the end."""
        self.by_name.update({operation.name: operation for operation in operations})

    def buttons(self, request: HttpRequest, row: R) -> list[Button]:
        """Return the buttons of the operations that the user may run and that apply, destructive ones last."""
        if getattr(row, "deleted_at", None) is not None:
            return []
        offered = [it for it in self.by_name.values() if request.user.has_perm(it.permission) and it.applies(row)]
        return [self._button(it, row) for it in sorted(offered, key=lambda it: it.is_destructive)]

    def page(self, model_admin: Any, request: HttpRequest, pk: Any, name: str) -> HttpResponse:
        """Ask on GET; on POST run the operation and redirect to the row. Raises PermissionDenied and Http404."""
        operation = self.by_name.get(name)
        if operation is None or operation.run is None:
            raise Http404
        if not request.user.has_perm(operation.permission):
            raise PermissionDenied
        row = get_object_or_404(self.rows(), pk=pk)
        form = operation.form(request.POST or None) if operation.form else None
        back = reverse(_url_name(row, "change"), args=[row.pk])
        if request.method == "POST" and (form is None or form.is_valid()):
            fields = form.cleaned_data if form else {}
            begin(row, operation.title.rstrip("…"))
            _run(model_admin, request, row, partial(operation.run, row, fields))
            return redirect(back)
        context = {
            **model_admin.admin_site.each_context(request),
            "title": operation.title.rstrip("…"),
            "opts": row._meta,
            "media": model_admin.media,
            "operation": operation,
            "row": row,
            "original": row,
            "count": operation.count(row),
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "subscriptions/admin/row_operation.html", context)

    def _button(self, operation: Operation[R], row: R) -> Button:
        path = (
            operation.path(row)
            if operation.path is not None
            else reverse(_url_name(row, "operation"), args=[row.pk, operation.name])
        )
        posts = operation.path is None and not operation.asks
        return Button(operation.title, path, posts, operation.note, operation.is_destructive)


class ButtonsAdmin:
    """Show the operations on a row as buttons above its page. A base before a ModelAdmin."""

    operations: ClassVar[Operations[Any]]
    change_form_outer_before_template = "subscriptions/admin/row_buttons.html"

    def operated_row(self, shown: Any) -> Any:
        """Return the row that the buttons operate on: the one that is shown, unless a subclass names another."""
        return shown

    def change_view(
        self: Any, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if shown is not None and self.has_view_permission(request, shown):
            context["buttons"] = self.operations.buttons(request, self.operated_row(shown))
        response: HttpResponse = super().change_view(request, object_id, form_url, context)  # type: ignore[misc]
        return response


class OperationsAdmin(ButtonsAdmin):
    """Show the operations on a row as buttons, and run them. A base before a ModelAdmin."""

    def get_urls(self: Any) -> list[URLPattern]:
        pk = "uuid" if isinstance(self.opts.pk, UUIDField) else "int"
        name = f"{self.opts.app_label}_{self.opts.model_name}_operation"
        page = path(f"<{pk}:pk>/operations/<slug:name>/", self.admin_site.admin_view(self.operation), name=name)
        return [page, *super().get_urls()]  # type: ignore[misc]

    def operation(self, request: HttpRequest, pk: Any, name: str) -> HttpResponse:
        """Ask before an operation, and run it."""
        return self.operations.page(self, request, pk, name)


def _url_name(row: Model, page: str) -> str:
    return f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}"


def _run(model_admin: Any, request: HttpRequest, row: Model, run: Callable[[], str]) -> None:
    try:
        done = run()
    except Invalid as error:
        messages.error(request, f"{row}: {error.message}")
        report(f"refused: {error.message}", 0, 1)
        return
    model_admin.log_change(request, row, done)
    messages.success(request, f"{row}: {done}")
