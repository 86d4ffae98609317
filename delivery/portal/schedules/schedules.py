"""Show the schedules of a tenant; run, pause, resume and delete them."""

from typing import ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from delivery.portal.gate import POST_ONLY, PortalPage
from delivery.portal.rest import ApiResponse, cursor_of
from delivery.portal.schedules.schedule_form import plan_context

PER_PAGE = 25
PUBLISHED = 10  # events on the page of a schedule


class ScheduleList(PortalPage):
    """The schedules, newest first, and how many the plan allows."""

    tab = "schedules"
    operation = ("GET", "schedule-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of schedules."""
        found = self.portal.read("schedule-list", limit=PER_PAGE, cursor=request.GET.get("cursor"))
        pages = {"next": cursor_of(found["next"]), "previous": cursor_of(found["previous"])}
        return self.page("schedules/list.html", {"rows": found["data"], **pages, **plan_context(self)})


class ScheduleDetail(PortalPage):
    """One schedule, with the events that it published."""

    tab = "schedules"
    operation = ("GET", "schedule-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of a schedule."""
        context = {
            "schedule": self.portal.read("schedule-detail", ref),
            "published": self.portal.read("event-list", schedule=ref, limit=PUBLISHED)["data"],
        }
        return self.page("schedules/detail.html", context)


class ScheduleAction(PortalPage):
    """Run, pause, resume or delete a schedule by a button."""

    tab = "schedules"
    operation = ("PATCH", "schedule-detail")
    http_method_names = POST_ONLY
    STATES: ClassVar[dict[str, str]] = {"pause": "paused", "resume": "active"}
    NOTICES: ClassVar[dict[str, str]] = {"run": "run", "pause": "paused", "resume": "resumed"}

    def post(self, request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the page of the schedule, or to the list."""
        done = self._do(request, ref, action)
        if not done.ok:
            return self.message(done.status, _("This did not work"), done.detail)
        if action == "delete":
            return self.done("deleted", "portal-schedules")
        return self.done(self.NOTICES[action], "portal-schedule", ref)

    def _do(self, request: HttpRequest, ref: str, action: str) -> ApiResponse:
        match action:
            case "run":
                return self.portal.call("POST", "schedule-run", ref, idempotency_key=request.POST.get("key", ""))
            case "delete":
                return self.portal.call("DELETE", "schedule-detail", ref)
        return self.portal.call("PATCH", "schedule-detail", ref, body={"state": self.STATES[action]})
