"""Show jobs that run in slices with their progress, and cancel running ones."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html

from webhooks.kit.admin.display import column, when
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.admin.progress import progress_bar, rate_and_time, state_pill
from webhooks.kit.audit.operation import begin, report
from webhooks.kit.jobs.sliced_jobs import cancel


class JobAdmin(AdminList):
    """Show the jobs of a table, whose rows are a ``JobRow``, and cancel running ones."""

    change_form_outer_before_template = "webhooks/admin/job.html"
    speed = column("Rate", lambda job: f"{job.rate:,}/s")
    unit: ClassVar[str] = ""
    """The noun of the total, as on "5 of 20 tenants"."""

    @property
    def url_prefix(self) -> str:
        """Return what the names of the pages begin with."""
        return f"{self.opts.app_label}_{self.opts.model_name}"

    @property
    def noun(self) -> str:
        """Return the name of the kind of job."""
        return str(self.opts.verbose_name)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.cancel_view)
        return [path("<uuid:pk>/cancel/", page, name=f"{self.url_prefix}_cancel"), *super().get_urls()]

    def may_cancel(self, request: HttpRequest) -> bool:
        """Return whether the user may cancel jobs of this kind."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        job = context.get("original")
        shown = {
            **context,
            "may_cancel": self.may_cancel(request),
            "noun": self.noun,
            "unit": self.unit,
            "states": context.get("states", ()),
            "warnings": context.get("warnings", ()),
        }
        if job is not None:
            shown |= {
                "progress_bar": progress_bar(job),
                "rate_and_time": rate_and_time(job),
                "done": f"{job.done:,}",
                "total": f"{job.total:,}",
                "state": state_pill(job),
            }
        return super().render_change_form(request, shown, *args, **kwargs)

    def cancel_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Cancel a running job by POST; what it has done already stays."""
        if not self.may_cancel(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(self.model, pk=pk)
        if cancel(row):
            self.log_change(request, row, "Cancelled.")
            messages.success(request, f"{self.noun.capitalize()} cancelled: {row.public_id}")
        else:
            begin(row, "Cancel")
            report("Cancel", 0, 1)
            messages.warning(request, f"{self.noun.capitalize()} had ended already: {row.public_id}")
        return redirect(f"admin:{self.url_prefix}_change", pk)

    state_column = column("State", state_pill)
    progress = column(
        "Progress", lambda row: format_html("{} {} / {}", progress_bar(row), f"{row.done:,}", f"{row.total:,}")
    )
    created = column("Requested", lambda row: when(row.created_at))
