"""Show on the admin's page Processes which programs run on which machine, and which have fallen silent."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from delivery.load.processes import LABELS, processes
from delivery.models import Heartbeat
from webhooks.kit.admin.lists import AdminList

RELOAD_AFTER = 10  # seconds


@admin.register(Heartbeat)
class ProcessesAdmin(AdminList):
    """Show the state of each program in place of the list of rows; there are no rows to open."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = processes()
        context = {
            **self.admin_site.each_context(request),
            "title": "Processes",
            "opts": self.opts,
            "media": self.media,
            "processes": found,
            "rows": [(it, LABELS[it.heartbeat.role]) for it in found.states],
            "missing": [LABELS[role] for role in found.missing],
            "is_live": "live" in request.GET,
            "reload_after": RELOAD_AFTER,
        }
        response = TemplateResponse(request, "config/processes.html", context)
        if context["is_live"]:
            response["Refresh"] = str(RELOAD_AFTER)
        return response
