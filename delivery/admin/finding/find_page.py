"""Show the rows that a text names, by kind, with their tenant; one row is opened at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst

from delivery.models import Attempt, DeadLetter, Delivery, Event
from delivery.reading.finding.find import LIMIT, FoundRows, find
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.admin.lists import AdminList

SEES_PAYLOADS = "delivery.view_payload"  # permission
MEMBER = "q"  # query parameter


@dataclass(frozen=True, slots=True)
class Hit:
    """One row: its page, its id, what tells it apart from others, its tenant, and when it was created."""

    path: str
    public_id: str
    text: str
    tenant: str
    at: Any


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one kind. ``is_cut``: there may be more."""

    title: str
    by: str
    hits: list[Hit]

    @property
    def is_cut(self) -> bool:
        """Return whether the limit was reached."""
        return len(self.hits) >= LIMIT


class FindPage:
    """Find rows among those that the user may view."""

    def __init__(self, model_admin: AdminList) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """Show what the text names; redirect to the page of the one row, if there is just one."""
        text = request.GET.get(MEMBER, "").strip()
        groups = list(_groups(request, find(text, by_value=request.user.has_perm(SEES_PAYLOADS))))
        hits = [hit for group in groups for hit in group.hits]
        if len(hits) == 1:
            return redirect(hits[0].path)
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": "Find",
            "media": self.model_admin.media,
            "text": text,
            "groups": groups,
        }
        return TemplateResponse(request, "delivery/admin/find.html", context)


def _groups(request: HttpRequest, found: list[FoundRows]) -> Iterator[Group]:
    for it in found:
        hits = [hit for row in it.rows if (hit := _hit(request, row)) is not None]
        if hits:
            yield Group(str(capfirst(it.model._meta.verbose_name_plural)), it.by, hits)


def _hit(request: HttpRequest, row: Any) -> Hit | None:
    """Return a row as it is shown; None if it has no page, or the user may not view it."""
    page = _page_of(row)
    if page is None or not request.user.has_perm(f"{page._meta.app_label}.view_{page._meta.model_name}"):
        return None
    path = _path(row)
    return None if path is None else Hit(path, row.public_id, _text(row), _tenant(row), row.created_at)


def _page_of(row: Any) -> Model | None:
    """Return the row whose permission decides: that of an attempt is its delivery's."""
    if isinstance(row, Attempt):
        return row.delivery
    return row if admin.site.is_registered(type(row)) else None


def _path(row: Any) -> str | None:
    if isinstance(row, Attempt):
        return reverse("admin:delivery_delivery_attempt", args=[row.delivery_id, row.number])
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return None


def _text(row: Any) -> str:
    """Return what tells a row apart from others of its kind."""
    if isinstance(row, Event):
        return " ".join(filter(None, (row.type, row.subject, row.event_id)))
    if isinstance(row, Delivery):
        return f"{row.event.type}, {row.state}, {row.endpoint}"
    if isinstance(row, DeadLetter):
        return f"{row.delivery.event.type}, {row.state}, {row.endpoint}"
    if isinstance(row, Attempt):
        return f"{row.number} of {row.delivery.event.type}: {row.status or row.error}"
    if isinstance(row, Endpoint):
        return " ".join(filter(None, (row.description, row.address, row.state)))
    if isinstance(row, Tenant):
        return row.name
    return str(getattr(row, "name", "") or getattr(row, "uid", "") or row)


def _tenant(row: Any) -> str:
    tenant = row.delivery.tenant if isinstance(row, Attempt) else getattr(row, "tenant", None)
    return tenant.name if isinstance(tenant, Tenant) else ""
