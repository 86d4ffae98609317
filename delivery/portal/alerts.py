"""Show what is wrong and what was, acknowledge and snooze it, and turn alert rules on and off."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from delivery.portal.gate import POST_ONLY, PortalPage
from delivery.portal.rest import ApiResponse, cursor_of

PER_PAGE = 25
SNOOZE_MINUTES = 240


class AlertList(PortalPage):
    """The alerts, those that hold first, and the rules."""

    tab = "alerts"
    operation = ("GET", "alert-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the page."""
        found = self.portal.read("alert-list", limit=PER_PAGE, cursor=request.GET.get("cursor"))
        context: dict[str, Any] = {
            "rows": sorted(found["data"], key=lambda it: it["state"] != "firing"),
            "rules": self.portal.read("alert-rule-list", limit=50)["data"],
            "next": cursor_of(found["next"]),
            "previous": cursor_of(found["previous"]),
        }
        return self.page("alerts/list.html", context)


class AlertAction(PortalPage):
    """Acknowledge or snooze an alert, or turn a rule on or off, by a button."""

    tab = "alerts"
    operation = ("POST", "alert-acknowledge")
    http_method_names = POST_ONLY

    def post(self, _request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the list."""
        done = self._do(ref, action)
        if not done.ok:
            return self.message(done.status, _("This did not work."), done.detail)
        response = redirect("portal-alerts")
        response.status_code = 303
        return response

    def _do(self, ref: str, action: str) -> ApiResponse:
        match action:
            case "acknowledge":
                return self.portal.call("POST", "alert-acknowledge", ref)
            case "snooze":
                return self.portal.call("POST", "alert-snooze", ref, body={"minutes": SNOOZE_MINUTES})
        return self.portal.call("PATCH", "alert-rule-detail", ref, body={"enabled": action == "enable"})
