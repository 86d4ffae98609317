"""Show the schedules of a tenant; pause, resume and delete them."""

from typing import ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from delivery.portal.gate import POST_ONLY, PortalPage
from delivery.portal.rest import cursor_of

PER_PAGE = 25


class ScheduleList(PortalPage):
    """The schedules, newest first."""

    tab = "schedules"
    operation = ("GET", "schedule-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of schedules."""
        found = self.portal.read("schedule-list", limit=PER_PAGE, cursor=request.GET.get("cursor"))
        pages = {"next": cursor_of(found["next"]), "previous": cursor_of(found["previous"])}
        return self.page("schedules/list.html", {"rows": found["data"], **pages})


class ScheduleDetail(PortalPage):
    """One schedule, with the events that it published."""

    tab = "schedules"
    operation = ("GET", "schedule-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of a schedule."""
        found = self.portal.read("schedule-detail", ref)
        published = self.portal.read("event-list", schedule=ref, limit=10)["data"]
        return self.page("schedules/detail.html", {"schedule": found, "published": published})


class ScheduleAction(PortalPage):
    """Pause, resume or delete a schedule by a button."""

    tab = "schedules"
    operation = ("PATCH", "schedule-detail")
    http_method_names = POST_ONLY
    STATES: ClassVar[dict[str, str]] = {"pause": "paused", "resume": "active"}

    def post(self, _request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the page of the schedule, or to the list."""
        if action == "delete":
            done = self.portal.call("DELETE", "schedule-detail", ref)
        else:
            done = self.portal.call("PATCH", "schedule-detail", ref, body={"state": self.STATES[action]})
        if not done.ok:
            return self.message(done.status, _("This did not work."), done.detail)
        response = redirect("portal-schedules") if action == "delete" else redirect("portal-schedule", ref)
        response.status_code = 303
        return response
