"""Discard or acknowledge dead letters, after a confirmation page: one at once, many by a job.

In the URL, ``what`` is the operation; the other parameters are those of ``letter_filter``.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from delivery.admin.replaying.confirmation import ConfirmField
from delivery.admin.replaying.letter_filter import LetterSelection, lines_of, read_selection
from delivery.models import DeadLetter, DeadLetterJob
from delivery.replaying import closing
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.audit.operation import begin, report

MAY_CHANGE = "delivery.change_deadletter"
LIST_URL_NAME = "admin:delivery_deadletter_changelist"
PAGE_URL_NAME = "admin:delivery_deadletter_operation"
NOTES = {
    "discard": "They are closed without sending anything again, and cannot be replayed any more.",
    "acknowledge": "They are not counted as open any more, and can still be replayed or discarded.",
}


class NoteForm(forms.Form):
    """Ask why."""

    note = forms.CharField(
        required=False,
        max_length=closing.MAX_NOTE,
        label="Reason",
        help_text="For those who read it later.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )

    def __init__(self, data: Any, *, is_of_all_tenants: bool) -> None:
        """``is_of_all_tenants``: nothing narrows the selection to a tenant, which has to be typed."""
        super().__init__(data)
        if is_of_all_tenants:
            self.fields["confirm"] = ConfirmField()


class DeadLetterChangePage:
    """Count on GET; on POST discard or acknowledge."""

    def __init__(self, model_admin: AdminList) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """Show the confirmation page; on POST change one dead letter at once, or create a job."""
        if not request.user.has_perm(MAY_CHANGE):
            raise PermissionDenied
        operation = request.GET.get("what", "")
        try:
            if operation not in NOTES:
                raise ValueError("Select an operation.")
            selection = read_selection(request.GET)
        except ValueError as error:
            messages.error(request, " ".join(map(str, error.args)))
            return redirect(LIST_URL_NAME)
        form = NoteForm(request.POST or None, is_of_all_tenants=selection.is_of_all_tenants)
        if request.method == "POST" and form.is_valid():
            return self._run(request, operation, selection, form.cleaned_data["note"])
        return self._confirm(request, operation, selection, form)

    def _run(self, request: HttpRequest, operation: str, selection: LetterSelection, note: str) -> HttpResponse:
        by = f"admin:{request.user.get_username()}"
        if len(selection.filter.ids) == 1:
            return self._change_one(request, operation, selection, note)
        row = closing.start(selection.tenant, operation, selection.filter, by=by, note=note)
        self.model_admin.log_addition(request, row, f"{row.get_operation_display()}: {row.total}: {row.filter}")
        messages.success(request, f"Job started: {row.total:,} dead letters")
        return redirect("admin:delivery_deadletterjob_change", row.pk)

    def _change_one(self, request: HttpRequest, operation: str, selection: LetterSelection, note: str) -> HttpResponse:
        letter = DeadLetter.objects.filter(pk=selection.filter.ids[0]).first()
        if letter is None:
            return redirect(LIST_URL_NAME)
        by = f"admin:{request.user.get_username()}"
        word = "Discarded" if operation == "discard" else "Acknowledged"
        begin(letter, f"{word}. {note}".strip())
        if closing.change(operation, [letter.pk], by, note):
            self.model_admin.log_change(request, letter, f"{word}. {note}".strip())
            messages.success(request, f"{word}: {letter.public_id}")
        else:
            report(DeadLetterJob.Operation(operation).label, 0, 1)
            messages.warning(request, f"Not changed: {letter.public_id} is {letter.state} already.")
        return redirect("admin:delivery_deadletter_change", letter.pk)

    def _confirm(
        self, request: HttpRequest, operation: str, selection: LetterSelection, form: NoteForm
    ) -> TemplateResponse:
        counted = closing.preview(selection.tenant, operation, selection.filter)
        label = DeadLetterJob.Operation(operation).label
        ids = selection.fields.get("ids", [])
        one = selection.filter.ids[0] if len(ids) == 1 else None
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": f"{label} {counted.total:,}{'+' if counted.is_lower_bound else ''} "
            f"dead letter{'' if counted.total == 1 else 's'}",
            "opts": DeadLetter._meta,
            "media": self.model_admin.media,
            "lines": lines_of(selection),
            "note": NOTES[operation],
            "total": counted.total,
            "fields": form,
            "is_destructive": operation == "discard",
            "back": reverse("admin:delivery_deadletter_change", args=[one]) if one else reverse(LIST_URL_NAME),
        }
        return TemplateResponse(request, "delivery/admin/dead_letter_change.html", context)


def change_path(operation: str, query: str) -> str:
    """Return the path of the confirmation page for an operation on what a query selects."""
    return f"{reverse(PAGE_URL_NAME)}?{urlencode({'what': operation})}&{query}"
