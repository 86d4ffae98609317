"""Show what is wrong and what was, and acknowledge and snooze it."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from delivery.portal import forms
from delivery.portal.gate import POST_ONLY, PortalPage
from delivery.portal.rest import cursor_of

PER_PAGE = 25
MOST_FIRING = 100  # alerts at the top of the page
MOST_RULES = 250
SNOOZES = (60, 240, 1_440, 10_080)  # minutes to choose from


class AlertList(PortalPage):
    """The alerts that fire, the rules, and the alerts of the past."""

    tab = "alerts"
    operation = ("GET", "alert-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the page."""
        past = self.portal.read("alert-list", state="resolved", limit=PER_PAGE, cursor=request.GET.get("cursor"))
        context: dict[str, Any] = {
            "firing": self.portal.read("alert-list", state="firing", limit=MOST_FIRING)["data"],
            "rules": self.portal.read("alert-rule-list", limit=MOST_RULES)["data"],
            "past": past["data"],
            "next": cursor_of(past["next"]),
            "previous": cursor_of(past["previous"]),
            "snoozes": [(minutes, minutes * 60) for minutes in SNOOZES],
        }
        return self.page("alerts/list.html", context)


class AlertAction(PortalPage):
    """Acknowledge or snooze an alert by a button."""

    tab = "alerts"
    operation = ("POST", "alert-acknowledge")
    http_method_names = POST_ONLY

    def post(self, request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the list."""
        if action == "acknowledge":
            done = self.portal.call("POST", "alert-acknowledge", ref)
        else:
            done = self.portal.call("POST", "alert-snooze", ref, body={"minutes": forms.number(request, "minutes")})
        if not done.ok:
            return self.message(done.status, _("This did not work"), done.detail)
        return self.done("acknowledged" if action == "acknowledge" else "snoozed", "portal-alerts")
