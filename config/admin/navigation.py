"""Order the navigation of the admin by what operators do: what is delivered first, accounts last."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

GROUPS: Mapping[str, Sequence[str]] = {
    "Deliveries": (
        *("delivery.event", "delivery.delivery", "delivery.deadletter", "delivery.replay", "delivery.deadletterjob"),
        *("delivery.lane", "delivery.schedule", "delivery.broadcast"),
    ),
    "Alerts": ("delivery.alert", "delivery.alertrule"),
    "Tenants": (
        *("subscriptions.tenant", "subscriptions.endpoint", "subscriptions.subscription", "subscriptions.eventtype"),
        *("subscriptions.apikey", "subscriptions.plan", "subscriptions.grant", "subscriptions.inspector"),
        "delivery.usage",
    ),
    "Receiver": ("webhooks.source", "webhooks.receipt", "webhooks.rejection", "webhooks.receiptreplay"),
    "Platform": (
        *("delivery.drainreport", "delivery.heartbeat", "webhooks.auditentry", "delivery.archive", "delivery.erasure"),
    ),
    "Access": ("auth.user", "auth.group"),
}
"""The lists of each group, by the labels of their models, in this order."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups with the lists that the user may see; called by unfold (UNFOLD["SIDEBAR"]).

    A list that no group names is in the last one, so that a new page is never out of reach.
    """
    items = {
        it["model"]._meta.label_lower: _item(it["name"], it["admin_url"], request)
        for app in admin.site.get_app_list(request)
        for it in app["models"]
        if it.get("admin_url")
    }
    home = reverse("admin:index")
    groups = {"": [_item("Overview", home, request) | {"active": request.path == home}]}
    groups |= {title: [items.pop(it) for it in labels if it in items] for title, labels in GROUPS.items()}
    groups["Other"] = [*items.values()]
    return [{"title": title, "items": found} for title, found in groups.items() if found]


def _item(title: str, path: str, request: HttpRequest) -> dict[str, Any]:
    return {"title": title, "link": path, "active": request.path.startswith(path)}
