"""Find messages: deliveries and events by id, type, time and status; one event with all its endpoints; each attempt."""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from delivery.portal import forms
from delivery.portal.gate import POST_ONLY, PortalPage
from delivery.portal.rest import ReadFailed, cursor_of

PER_PAGE = 25
FILTERS = ("q", "type", "state", "status", "endpoint", "value", "path", "since", "until")
EVENT_FILTERS = ("q", "type", "value", "path", "since", "until")
MOST_ENDPOINTS = 250  # named in lists
MOST_TYPES = 250  # whose indexed paths are named


class MessageList(PortalPage):
    """Deliveries, newest first, or all events, with those that no endpoint got."""

    tab = "messages"
    operation = ("GET", "delivery-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of the list."""
        shows_events = request.GET.get("show") == "events" and self.link.endpoint_id is None
        names = EVENT_FILTERS if shows_events else FILTERS
        values = {name: request.GET.get(name, "").strip() for name in names}
        paths = indexed_paths(self)
        context: dict[str, Any] = {"values": values, "paths": paths, "shows_events": shows_events, "rows": []}
        try:
            found = self.portal.read(
                "event-list" if shows_events else "delivery-list",
                limit=PER_PAGE,
                cursor=request.GET.get("cursor"),
                **_filters(values),
            )
            context["rows"] = found["data"]
            context |= {"next": cursor_of(found["next"]), "previous": cursor_of(found["previous"])}
        except ReadFailed as error:  # a filter with a value that cannot be
            context["error"] = error.detail
        context["query"] = _query(request)
        context["is_filtered"] = any(values.values())
        context["endpoints"] = endpoint_names(self)
        _name_endpoints(context["rows"], context["endpoints"])
        return self.page("messages/list.html", context)


class MessageDetail(PortalPage):
    """One event: its data, which endpoints got it, which did not, and why."""

    tab = "messages"
    operation = ("GET", "event-detail")

    def get(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of the event."""
        event = self.portal.read("event-detail", ref)
        explained = self.portal.read("event-explanation", ref, cursor=request.GET.get("cursor"), limit=PER_PAGE)
        _name_endpoints(explained["data"], endpoint_names(self))
        context = {
            "event": event,
            "rows": explained["data"],
            "note": explained.get("message"),
            "next": cursor_of(explained["next"]),
            "previous": cursor_of(explained["previous"]),
        }
        return self.page("messages/detail.html", context)


class DeliveryDetail(PortalPage):
    """One event for one endpoint: every attempt with request, response and timing."""

    tab = "messages"
    operation = ("GET", "delivery-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of the delivery."""
        delivery = self.portal.read("delivery-detail", ref)
        endpoint = self.portal.call("GET", "endpoint-detail", delivery["endpoint"])
        context = {
            "delivery": delivery,
            "attempts": sorted(delivery["attempts"], key=lambda it: -it["number"]),
            "endpoint": endpoint.data if endpoint.ok else None,
            "is_over": delivery["state"] not in ("pending", "sending"),
        }
        return self.page("messages/delivery.html", context)


class AttemptDetail(PortalPage):
    """The request and the response of one attempt, fetched when it is opened."""

    tab = "messages"
    operation = ("GET", "delivery-attempt")

    def get(self, _request: HttpRequest, ref: str, attempt: str) -> HttpResponseBase:
        """Return a part of the page for a script, a page for others."""
        found = self.portal.read("delivery-attempt", ref, attempt)
        context = {"attempt": found, "delivery": {"id": ref}}
        return self.page("messages/_attempt.html" if self.is_part else "messages/attempt.html", context)


class DeliveryAction(PortalPage):
    """Resend, retry or cancel a delivery by a button."""

    tab = "messages"
    operation = ("POST", "delivery-resend")
    http_method_names = POST_ONLY
    NOTICES: ClassVar[dict[str, str]] = {"resend": "resent", "retry": "retried", "cancel": "cancelled"}

    def post(self, _request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the page of the delivery."""
        done = self.portal.call("POST", f"delivery-{action}", ref)
        if not done.ok:
            return self.message(done.status, _("This did not work"), done.detail)
        return self.done(self.NOTICES[action], "portal-delivery", done.data["id"])


def endpoint_names(page: PortalPage) -> list[dict[str, Any]]:
    """Return the endpoints to choose from."""
    found: list[dict[str, Any]] = page.portal.read("endpoint-list", limit=MOST_ENDPOINTS)["data"]
    return found


def _name_endpoints(deliveries: list[dict[str, Any]], endpoints: list[dict[str, Any]]) -> None:
    """Add to each delivery the name of its endpoint; its id if the endpoint is deleted or not among those."""
    names = {it["id"]: it["description"] or it["address"] for it in endpoints}
    for delivery in deliveries:
        delivery["endpoint_name"] = names.get(delivery.get("endpoint"), delivery.get("endpoint"))


def indexed_paths(page: PortalPage) -> list[str]:
    """Return the paths into payloads by whose values messages can be found; none for a session without payloads."""
    if not page.portal.shows_payloads:
        return []
    types = page.portal.read("event-type-list", limit=MOST_TYPES)["data"]
    return sorted({path for it in types for path in it["indexed_paths"]})


def _filters(values: dict[str, str]) -> dict[str, Any]:
    """Return the query of the API: a value with its path, times with their zone."""
    query: dict[str, Any] = {**values, **{name: forms.instant(values[name]) for name in ("since", "until")}}
    path = query.pop("path")
    if path and query["value"]:
        query["value"] = f"{path}:{query['value']}"
    return query


def _query(request: HttpRequest) -> str:
    """Return the filters of this page for the links to its neighbours."""
    query = request.GET.copy()
    query.pop("cursor", None)
    return f"{query.urlencode()}&" if query else ""
