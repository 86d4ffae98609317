"""The page that brings dead letters back: it shows what would come back and how many, then asks for a rate.

What is asked for stands in the query, in the words of ``replay.Filter`` and ``tenant``; the list of dead letters
translates its own filters into it. A filter that cannot be carried over is said, not dropped: what comes back is
exactly what the page shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from delivery import replay
from delivery.admin.browsing import Window
from delivery.models import DeadLetter, Replay
from subscriptions.models import Endpoint, Tenant
from webhooks.protocol import ids

__all__ = ["REPLAY", "Redrive", "query_of"]

REPLAY = "delivery.add_replay"  # the permission to bring dead letters back
DEFAULT_RATE = 100  # deliveries per second
PAGING = frozenset({"p", "o", "e"})  # what the list needs for itself
UNREADABLE = "?"


class RateForm(forms.Form):
    rate = forms.IntegerField(
        min_value=1,
        max_value=replay.MOST_RATE,
        initial=DEFAULT_RATE,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Deliveries per second, at most.",
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query asks for: whose letters (None: everybody's), and which of them."""

    tenant: Tenant | None
    filter: replay.Filter
    lines: list[tuple[str, str]]


class Redrive:
    """The page, below the list of dead letters."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """GET counts, POST creates the replay and leads to it."""
        if not request.user.has_perm(REPLAY):
            raise PermissionDenied
        try:
            asked = read(request.GET)
        except ValueError as error:
            messages.error(request, " ".join(map(str, error.args)))
            return redirect("admin:delivery_deadletter_changelist")
        form = RateForm(request.POST if request.method == "POST" else None, initial={"rate": DEFAULT_RATE})
        if request.method == "POST" and form.is_valid():
            return self._create(request, asked, form.cleaned_data["rate"])
        return self._confirm(request, asked, form)

    def _create(self, request: HttpRequest, asked: Asked, rate: int) -> HttpResponse:
        row = replay.replay(asked.tenant, asked.filter, rate=rate, by=f"admin:{request.user.get_username()}")
        said = f"Brings back {row.total} dead letters at {rate} a second: {row.filter}"
        self.model_admin.log_addition(request, row, said)
        messages.success(request, f"{row.total:,} dead letters are coming back.")
        return redirect("admin:delivery_replay_change", row.pk)

    def _confirm(self, request: HttpRequest, asked: Asked, form: RateForm) -> HttpResponse:
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": "Bring dead letters back",
            "opts": DeadLetter._meta,
            "replay_opts": Replay._meta,
            "media": self.model_admin.media,
            "total": replay.preview(asked.tenant, asked.filter).total,
            "lines": asked.lines,
            "form": form,
        }
        return TemplateResponse(request, "delivery/admin/redrive.html", context)


def query_of(params: QueryDict) -> str:
    """The query of the page for what the list's filters say; "" if they say what a replay cannot."""
    given = {name: str(text) for name, text in params.items() if text and name not in PAGING}
    since, until = Window.read(given, "died_at")
    query = {
        "tenant": _public(Tenant.prefix, given.pop("tenant__id__exact", None)),
        "endpoint": _public(Endpoint.prefix, given.pop("endpoint__id__exact", None)),
        "cause": given.pop("cause__exact", None),
        "since": since.isoformat() if since else _left(given, "died_at_from"),
        "until": until.isoformat() if until else _left(given, "died_at_to"),
    }
    rest = {name for name in given if not name.startswith("died_at_")} - {"state"}
    if rest or UNREADABLE in query.values() or given.get("state", "open") != "open":
        return ""
    return urlencode({name: value for name, value in query.items() if value} or {"all": "1"})


def read(params: QueryDict) -> Asked:
    """Raises ValueError, in words for the operator, for what names nothing or cannot be read."""
    if not params:
        raise ValueError("Say what to bring back.")
    asked: dict[str, Any] = {name: params[name] for name in params if name not in ("tenant", "all")}
    if "ids" in asked:
        asked["ids"] = asked["ids"].split(",")
    tenant = _tenant(params.get("tenant"), asked.get("ids"))
    found = replay.Filter.parse(asked)
    return Asked(tenant, found, _lines(tenant, asked))


def _tenant(text: str | None, letters: list[str] | None) -> Tenant | None:
    """The tenant that is named; or the one all chosen letters belong to, so that its developers see the replay."""
    if text is not None:
        tenant = Tenant.objects.filter(pk=ids.parse(Tenant.prefix, text)).first()
        if tenant is None:
            raise ValueError("There is no such tenant.")
        return tenant
    keys = [ids.parse(DeadLetter.prefix, letter) for letter in letters or ()]
    owners = Tenant.objects.filter(pk__in=DeadLetter.objects.filter(pk__in=keys).values("tenant"))[:2]
    return owners[0] if len(owners) == 1 else None


def _lines(tenant: Tenant | None, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [("Tenant", tenant.name if tenant else "all of them")]
    for name, value in asked.items():
        lines.append((name.capitalize(), f"{len(value)} selected" if name == "ids" else _said(name, value)))
    return lines


def _said(name: str, value: str) -> str:
    if name == "endpoint":
        endpoint = Endpoint.objects.filter(pk=ids.parse(Endpoint.prefix, value)).first()
        return f"{endpoint} ({value})" if endpoint else value
    return str(DeadLetter.Cause(value).label) if name == "cause" else value


def _public(prefix: str, key: str | None) -> str | None:
    try:
        return ids.public(prefix, UUID(key)) if key else None
    except ValueError:
        return UNREADABLE


def _left(given: Mapping[str, str], end: str) -> str | None:
    """An end of the window that was given and could not be read."""
    return UNREADABLE if any(name.startswith(end) for name in given) else None
