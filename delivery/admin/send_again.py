"""The page that sends events of the past again: to whom, and which of them, is chosen on it; it counts, then asks.

What is asked for stands in the query, in the words of ``replay.Filter``, with ``of`` and ``tenant``; the list of events
translates its own filters and its selection into it. Changing a choice loads the page anew with the new count.
"""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from delivery import replay
from delivery.admin.browsing import Window
from delivery.admin.redrive import DEFAULT_RATE, REPLAY, RateForm
from delivery.models import Event, Replay
from subscriptions.models import Tenant
from webhooks.protocol import ids

__all__ = ["SendAgain", "query_of"]

TEXTS = ("endpoint", "type", "source", "subject", "since", "until")
PAGING = frozenset({"p", "o", "e"})


class ChoiceForm(forms.Form):
    """Which events go where."""

    of = forms.ChoiceField(
        label="Which",
        choices=[
            (Replay.Of.MISSING, "Only what was never owed to the endpoint"),
            (Replay.Of.EVENTS, "Also what has arrived, was cancelled or is dead"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    endpoint = forms.CharField(
        required=False,
        label="Only to this endpoint",
        help_text="Its id or uid; empty: every endpoint that wants it.",
        widget=UnfoldAdminTextInputWidget,
    )
    force = forms.BooleanField(
        required=False, label="Whatever that endpoint subscribes to", widget=UnfoldBooleanSwitchWidget
    )
    type = forms.CharField(required=False, label="Only this event type", widget=UnfoldAdminTextInputWidget)


class SendAgain:
    """The page, below the list of events."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest) -> HttpResponse:
        """GET counts, POST creates the replay and leads to it."""
        if not request.user.has_perm(REPLAY):
            raise PermissionDenied
        try:
            tenant = Tenant.objects.get(pk=ids.parse(Tenant.prefix, request.GET.get("tenant", "")))
        except (ValueError, Tenant.DoesNotExist):
            messages.error(request, "Say of which tenant: filter the list, or choose events of one tenant.")
            return redirect("admin:delivery_event_changelist")
        form = RateForm(request.POST if request.method == "POST" else None, initial={"rate": DEFAULT_RATE})
        try:
            wanted = read(request.GET, tenant)
            if request.method == "POST" and form.is_valid():
                return self._create(request, tenant, wanted, form.cleaned_data["rate"])
            counted, problem = replay.preview(tenant, wanted), ""
        except ValueError as error:
            counted, problem = replay.Count(0), " ".join(map(str, error.args))
        return self._page(request, tenant, form, counted, problem)

    def _create(self, request: HttpRequest, tenant: Tenant, wanted: replay.Filter, rate: int) -> HttpResponse:
        row = replay.replay(tenant, wanted, rate=rate, by=f"admin:{request.user.get_username()}")
        said = f"Sends {row.total} deliveries at {rate} a second, {row.of}: {row.filter}"
        self.model_admin.log_addition(request, row, said)
        messages.success(request, f"{row.total:,} deliveries are on their way.")
        return redirect("admin:delivery_replay_change", row.pk)

    def _page(
        self, request: HttpRequest, tenant: Tenant, form: RateForm, counted: replay.Count, problem: str
    ) -> HttpResponse:
        choice = ChoiceForm({"of": Replay.Of.MISSING, **request.GET.dict()})
        chosen = len(request.GET["ids"].split(",")) if request.GET.get("ids") else 0
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": "Send events again",
            "opts": Event._meta,
            "media": self.model_admin.media,
            "tenant": tenant,
            "total": counted.total,
            "estimated": counted.estimated,
            "problem": problem,
            "chosen": chosen,
            "kept": [(name, text) for name, text in request.GET.items() if name not in choice.fields],
            "choice": choice,
            "form": form,
        }
        return TemplateResponse(request, "delivery/admin/send_again.html", context)


def read(params: QueryDict, tenant: Tenant) -> replay.Filter:
    """Raises ValueError, the field's name first, for what names nothing or cannot be read."""
    asked: dict[str, Any] = {name: str(params[name]).strip() for name in TEXTS if params.get(name)}
    if params.get("ids"):
        asked["ids"] = str(params["ids"]).split(",")
    if params.get("force"):
        asked["force"] = True
    of = params.get("of", Replay.Of.MISSING)
    if of not in (Replay.Of.EVENTS, Replay.Of.MISSING):
        raise ValueError("of", "is none of the choices")
    return replay.Filter.parse(asked, of, tenant)


def query_of(params: QueryDict) -> str:
    """The query of the page for what the list's filters say; "" if they say what a replay cannot."""
    given = {name: str(text) for name, text in params.items() if text and name not in PAGING}
    since, until = Window.read(given, "created_at")
    tenant = given.pop("tenant__id__exact", "")
    if {name for name in given if not name.startswith("created_at_")} or not tenant:
        return ""
    if any(name.startswith("created_at_from") for name in given) != bool(since):
        return ""
    if any(name.startswith("created_at_to") for name in given) != bool(until):
        return ""
    try:
        query = {"tenant": ids.public(Tenant.prefix, UUID(tenant))}
    except ValueError:
        return ""
    window = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    return urlencode(query | {name: text for name, text in window.items() if text})
