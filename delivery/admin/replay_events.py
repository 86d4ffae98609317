"""The page that sends events of the past again: to whom, and which of them, is chosen on it; it counts, then asks.

What is asked for stands in the query, in the words of ``replay.Filter``, with ``scope`` and ``tenant``; the list of
events translates its own filters and its selection into it. Changing a choice loads the page anew with the new count.
"""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import HttpRequest, QueryDict
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from delivery.admin.browsing import Window
from delivery.admin.replay_page import PAGING, Question, ReplayPage
from delivery.models import Event, Replay
from delivery.replaying import replays
from subscriptions.models import Tenant
from webhooks.wire import ids

__all__ = ["SendAgain", "query_of"]

TEXTS = ("endpoint", "type", "source", "subject", "since", "until")


class ChoiceForm(forms.Form):
    """Which events go where."""

    scope = forms.ChoiceField(
        label="Which",
        choices=[
            (Replay.Scope.MISSING, "Only what was never owed to the endpoint"),
            (Replay.Scope.EVENTS, "Also what has arrived, was cancelled or is dead"),
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


class SendAgain(ReplayPage):
    """The page, below the list of events."""

    model = Event
    title = "Send events again"
    template = "delivery/admin/send_again.html"
    created = "{} deliveries are on their way."

    def ask(self, request: HttpRequest) -> Question:
        """Raises ValueError where no tenant is named."""
        params = request.GET
        choice = ChoiceForm({"scope": Replay.Scope.MISSING, **params.dict()})
        question = Question(_tenant(params.get("tenant", "")), None)
        try:
            question.filter = read(params, question.tenant)
        except ValueError as error:
            question.problem = " ".join(map(str, error.args))
        question.shown = {
            "tenant": question.tenant,
            "chosen": len(params["ids"].split(",")) if params.get("ids") else 0,
            "kept": [(name, text) for name, text in params.items() if name not in choice.fields],
            "choice": choice,
        }
        return question


def _tenant(text: str) -> Tenant:
    try:
        return Tenant.objects.get(pk=ids.parse(Tenant.prefix, text))
    except (ValueError, Tenant.DoesNotExist) as error:
        raise ValueError("Say of which tenant: filter the list, or choose events of one tenant.") from error


def read(params: QueryDict, tenant: Tenant | None) -> replays.ReplayFilter:
    """Raises ValueError, the field's name first, for what names nothing or cannot be read."""
    asked: dict[str, Any] = {name: str(params[name]).strip() for name in TEXTS if params.get(name)}
    if params.get("ids"):
        asked["ids"] = str(params["ids"]).split(",")
    if params.get("force"):
        asked["force"] = True
    scope = params.get("scope", Replay.Scope.MISSING)
    if scope not in (Replay.Scope.EVENTS, Replay.Scope.MISSING):
        raise ValueError("scope", "is none of the choices")
    return replays.ReplayFilter.parse(asked, scope, tenant)


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
