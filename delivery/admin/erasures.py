"""Show erasures with their progress, and start one: a subject is counted first, and erased when confirmed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from delivery.admin.time_filter import TimeRangeFilter
from delivery.lifecycle import erasures
from delivery.models import Erasure
from subscriptions.models import Tenant
from webhooks.kit.admin.display import NOTHING, column, link
from webhooks.kit.admin.filters import ChoicesFilter, RelatedFilter
from webhooks.kit.admin.jobs import JobAdmin
from webhooks.kit.jobs.sliced_jobs import RUNNING
from webhooks.kit.rest.lookup import find

MAY_ERASE = "delivery.erase_event"  # permission


class ErasureForm(forms.Form):
    """Read whose subject is erased, and how fast."""

    tenant = forms.CharField(label="Tenant", help_text="ID of the tenant, or your own ID of it.")
    subject = forms.CharField(
        max_length=erasures.MAX_SUBJECT,
        strip=False,
        label="Subject",
        help_text="Subject of the events, exact, as it was published.",
    )
    rate = forms.IntegerField(
        min_value=1,
        max_value=erasures.MAX_RATE,
        initial=erasures.DEFAULT_RATE,
        label="Rate",
        help_text="Events per second, at most.",
    )

    def clean_tenant(self) -> Tenant:
        """Return the tenant."""
        found: Tenant | None = find(Tenant.objects.filter(deleted_at=None), self.cleaned_data["tenant"].strip())
        if found is None:
            raise forms.ValidationError("There is no tenant with this ID.")
        return found


def _archive_progress(row: Erasure) -> str:
    """Return how much of the archive was searched, and what was found."""
    if not row.archives and not row.archives_searched:
        return NOTHING
    missing = f", {row.archives_missing:,} missing" if row.archives_missing else ""
    searched = f"{row.archives_searched:,} of {max(row.archives, row.archives_searched):,} objects searched"
    return f"{searched}, {row.archives_rewritten:,} written anew{missing}"


@admin.register(Erasure)
class ErasureAdmin(JobAdmin):
    """Show erasures."""

    empty_note = "An erasure deletes the payloads that are about one subject, such as a person."
    unit = "events"
    list_display = ("public_id", "state_column", "progress", "tenant_link", "hash_text", "requested_by", "created")
    list_select_related = ("tenant",)
    list_filter = (
        ("tenant", RelatedFilter),
        ("state", ChoicesFilter),
        ("created_at", TimeRangeFilter),
    )
    fields = (
        ("public_id", "tenant_link"),
        ("subject_text", "hash_text"),
        ("deliveries", "cancelled"),
        ("receipts", "requested_by"),
        ("archive_progress", "erased_in_archive"),
        "created",
    )
    readonly_fields = (
        *("public_id", "tenant_link", "subject_text", "hash_text", "deliveries", "cancelled", "receipts"),
        *("requested_by", "created", "archive_progress", "erased_in_archive"),
    )

    tenant_link = column("Tenant", lambda row: link(row.tenant, row.tenant.name))
    subject_text = column("Subject", lambda row: row.subject or NOTHING)
    hash_text = column("Hash of the subject", lambda row: str(row.subject_hash))
    archive_progress = column("Archive", _archive_progress)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_ERASE)

    def may_cancel(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_ERASE)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        waits = [row.last_error] if row is not None and row.state == RUNNING and row.last_error else []
        context = {**(extra_context or {}), "warnings": waits}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a subject; show what there is about it; erase it when that is confirmed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form, counted = ErasureForm(request.POST or None), None
        if request.method == "POST" and form.is_valid():
            tenant, subject = form.cleaned_data["tenant"], form.cleaned_data["subject"]
            if request.POST.get("confirmed") == "yes":
                user = f"admin:{request.user.get_username()}"
                row = erasures.start(tenant, subject, rate=form.cleaned_data["rate"], by=user)
                self.log_addition(request, row, f"Erasure of {row.total} events requested.")
                return redirect("admin:delivery_erasure_change", row.pk)
            counted = erasures.preview(tenant, subject)
        context = {
            **self.admin_site.each_context(request),
            "title": "Erase by subject",
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "counted": counted,
        }
        response = TemplateResponse(request, "delivery/admin/erase.html", context)
        response["Cache-Control"] = "no-store"
        return response
