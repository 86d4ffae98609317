"""Show what can be sent: event types with their schemas and examples."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from delivery.portal.gate import PortalPage
from delivery.portal.rest import cursor_of

PER_PAGE = 100
MOST_FIELDS = 200  # of a schema, in its table
DEEPEST = 6  # levels of a schema, in its table


class TypeList(PortalPage):
    """The event types that are not archived."""

    tab = "catalogue"
    operation = ("GET", "event-type-list")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return a page of types, those about the endpoints themselves last."""
        query = request.GET.get("q", "").strip()
        cursor = request.GET.get("cursor")
        found = self.portal.read("event-type-list", limit=PER_PAGE, archived="false", q=query, cursor=cursor)
        rows = sorted(found["data"], key=lambda it: (it["name"].startswith("waypost."), it["group"], it["name"]))
        pages = {"next": cursor_of(found["next"]), "previous": cursor_of(found["previous"])}
        return self.page("catalogue/list.html", {"rows": rows, "q": query, **pages})


class TypeDetail(PortalPage):
    """One event type."""

    tab = "catalogue"
    operation = ("GET", "event-type-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of a type."""
        found = self.portal.read("event-type-detail", ref)
        return self.page("catalogue/detail.html", {"type": found, "fields": outline(found["schema"])[:MOST_FIELDS]})


def outline(schema: Any, path: str = "", depth: int = 0) -> list[dict[str, Any]]:
    """Return the properties of a JSON Schema, those of nested objects after the one that contains them."""
    rows: list[dict[str, Any]] = []
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or depth >= DEEPEST:
        return rows
    required = schema.get("required") or []
    for name, inner in properties.items():
        if isinstance(inner, dict):
            kind = inner.get("type", "")
            shown = " | ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
            whole = f"{path}.{name}" if path else str(name)
            description = str(inner.get("description", ""))
            rows.append({"name": whole, "type": shown, "required": name in required, "description": description})
            rows += outline(inner, whole, depth + 1)
            rows += outline(inner.get("items"), f"{whole}[]", depth + 1)
    return rows
