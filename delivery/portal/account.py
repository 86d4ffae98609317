"""Show a tenant's usage against its plan, its API keys, and who changed what."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from delivery.portal import forms
from delivery.portal.gate import PortalPage
from delivery.portal.rest import cursor_of
from delivery.templatetags.delivery_portal import LIMIT_NAMES

PER_PAGE = 50
USAGE_DAYS = 30
LIFETIMES = (30, 90, 366)  # days to choose from
DEFAULT_LIFETIME = 90  # days


class Usage(PortalPage):
    """The limits of the plan with what is used of each, and the events and deliveries of the last days."""

    tab = "usage"
    operation = ("GET", "usage")

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the page."""
        today = timezone.now().date()
        first = today - timedelta(days=USAGE_DAYS - 1)
        dates = {"from": first.isoformat(), "to": today.isoformat()}
        found = self.portal.read("usage", by="tenant", limit=USAGE_DAYS, **dates)
        limits = self.portal.read("tenant-limits", self.link.tenant.public_id)["data"]
        rows = found["data"]
        context = {
            "limits": [it for it in limits if it["set_by"] == "plan" and it["name"] in LIMIT_NAMES],
            "rows": rows,
            "events": sum(it["events"] for it in rows),
            "deliveries": sum(it["deliveries"] for it in rows),
            "days": USAGE_DAYS,
        }
        return self.page("account/usage.html", context)


class Keys(PortalPage):
    """The API keys: create, rotate and revoke."""

    tab = "keys"
    operation = ("GET", "key-list")

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the page."""
        return self.shown({})

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Create, rotate or revoke a key; a new one is shown once."""
        sent, key = request.POST, request.POST.get("key", "")
        if "revoke" in sent:
            done = self.portal.call("DELETE", "key-detail", sent["revoke"])
            if done.ok:
                return self.done("revoked", "portal-keys")
        elif "rotate" in sent:
            done = self.portal.call("POST", "key-rotation", sent["rotate"], body={}, idempotency_key=key)
        else:
            body: dict[str, Any] = {"name": sent.get("name", "").strip(), "scopes": sent.getlist("scopes")}
            if (days := forms.number(request, "days")) is not None:
                body["expires_in"] = days * 86_400 if isinstance(days, int) else days
            done = self.portal.call("POST", "key-list", body=body, idempotency_key=key)
        errors = forms.flattened(done.errors)
        new_key = (done.data or {}).get("key", "") if done.ok else ""
        typed = (
            {}
            if done.ok
            else {"values": sent.dict(), "scopes": sent.getlist("scopes"), "chosen_days": sent.get("days")}
        )
        return self.shown({"errors": errors, "new_key": new_key, **typed}, 200 if done.ok else done.status)

    def shown(self, context: dict[str, Any], status: int = 200) -> HttpResponseBase:
        """Return the page."""
        found = self.portal.read("key-list", limit=PER_PAGE, cursor=self.request.GET.get("cursor"))
        own = {
            "rows": [it for it in found["data"] if it["revoked_at"] is None],
            "next": cursor_of(found["next"]),
            "previous": cursor_of(found["previous"]),
            "lifetimes": [str(days) for days in LIFETIMES],
            "scopes": ["read"],
            "chosen_days": str(DEFAULT_LIFETIME),
        }
        return self.page("account/keys.html", {**own, **context}, status)


class Activity(PortalPage):
    """Entries of the audit about the tenant: who changed what, in the portal and by the API."""

    tab = "activity"
    operation = ("GET", "audit-entry-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of entries."""
        found = self.portal.read("audit-entry-list", limit=PER_PAGE, cursor=request.GET.get("cursor"))
        pages = {"next": cursor_of(found["next"]), "previous": cursor_of(found["previous"])}
        return self.page("account/activity.html", {"rows": found["data"], **pages})
