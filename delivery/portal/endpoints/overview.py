"""Show the endpoints of a tenant, and one of them: status in words, the last 24 hours, deliveries."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from delivery.portal.gate import PortalPage
from delivery.portal.rest import Portal, cursor_of

PER_PAGE = 12
HOURS = 24
SHOWN_DELIVERIES = 10


class EndpointList(PortalPage):
    """The endpoints, each with its health and its last 24 hours."""

    tab = "endpoints"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of endpoints."""
        query = {"limit": PER_PAGE, "cursor": request.GET.get("cursor"), "q": request.GET.get("q", "").strip()}
        found = self.portal.read("endpoint-list", **query)
        overviews = {it["endpoint"]: it for it in self.portal.read("endpoint-overviews", **query)["data"]}
        context = {
            "rows": [{**overviews[it["id"]], "endpoint": it} for it in found["data"] if it["id"] in overviews],
            "q": query["q"],
            "next": cursor_of(found["next"]),
            "previous": cursor_of(found["previous"]),
            "total": None if self.link.endpoint_id else self.portal.read("endpoint-stats-of-all", hours=HOURS),
        }
        return self.page("endpoints/list.html", context)


class EndpointDetail(PortalPage):
    """One endpoint."""

    tab = "endpoints"

    def get(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of the endpoint."""
        endpoint = self.portal.read("endpoint-detail", ref)
        state = request.GET.get("state", "")
        deliveries = self.portal.read("delivery-list", endpoint=ref, state=state, limit=SHOWN_DELIVERIES)
        context = {
            **summary_of(self.portal, endpoint),
            "deliveries": deliveries["data"],
            "has_more": bool(deliveries["next"]),
            "state": state,
            "subscriptions": self.portal.read("subscription-list", endpoint=ref)["data"],
        }
        return self.page("endpoints/detail.html", context)


class EndpointStatus(PortalPage):
    """The status of an endpoint, a part of its page that is fetched anew while the page is open."""

    tab = "endpoints"

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the part."""
        endpoint = self.portal.read("endpoint-detail", ref)
        return self.page("endpoints/_status.html", summary_of(self.portal, endpoint))


def summary_of(portal: Portal, endpoint: dict[str, Any]) -> dict[str, Any]:
    """Return an endpoint with its status and its statistics."""
    ref = endpoint["id"]
    return {
        "endpoint": endpoint,
        "status": portal.read("endpoint-status", ref),
        "stats": portal.read("endpoint-stats", ref, hours=HOURS),
    }
