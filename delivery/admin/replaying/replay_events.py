"""Send past events again, selected in the list or matching its filters; scope, endpoint and type are chosen here.

The query has the fields of ``ReplayFilter``, ``scope`` and ``tenant``; ``query_from_filters`` translates the list's
filters into it. A changed choice loads the page again with the new count.
"""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import HttpRequest, QueryDict

from delivery.admin.replaying.replay_page import LIST_PARAMETERS, ReplayPage, ReplayRequest
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import Event, Replay
from delivery.replaying import replays
from subscriptions.models import Tenant
from webhooks.wire import ids

TEXTS = ("endpoint", "type", "source", "subject", "since", "until")
KNOWN = frozenset({*TEXTS, "ids", "force", "scope", "tenant"})
SCOPES = {
    Replay.Scope.MISSING: "Missing only",
    Replay.Scope.EVENTS: "Everything again",
    Replay.Scope.ARCHIVED: "From the archive",
}


class ChoiceForm(forms.Form):
    """Ask which events are sent, and to which endpoints."""

    scope = forms.ChoiceField(
        label="Scope",
        choices=list(SCOPES.items()),
        help_text="Missing only: events without a delivery to the endpoint. Everything again: also what was "
        "delivered, cancelled or failed. From the archive: events that retention has deleted.",
        widget=forms.Select(attrs={"class": "wp-input"}),
    )
    endpoint = forms.CharField(
        required=False,
        label="Endpoint",
        help_text="ID or external ID; empty: all subscribed endpoints.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )
    force = forms.BooleanField(
        required=False,
        label="Ignore subscriptions",
        help_text="Send to this endpoint even if it does not subscribe.",
        widget=forms.CheckboxInput,
    )
    type = forms.CharField(
        required=False,
        label="Event type",
        help_text="Empty: all types.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )
    since = forms.CharField(
        required=False,
        label="Published since",
        help_text="A time with an offset, like 2030-01-31T12:00:00Z; empty: from the first event on.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )
    until = forms.CharField(
        required=False,
        label="Published before",
        help_text="Likewise; empty: up to now.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )


class ReplayEventsPage(ReplayPage):
    """Ask for a replay of past events of one tenant."""

    model = Event
    title = "Send events again"
    template = "delivery/admin/replay_events.html"

    def read(self, request: HttpRequest) -> ReplayRequest:
        params = request.GET
        choice = ChoiceForm({"scope": Replay.Scope.MISSING, **params.dict()})
        wanted = ReplayRequest(_tenant(params.get("tenant", "")), None)
        try:
            wanted.filter = read_filter(params, wanted.tenant)
        except ValueError as error:
            wanted.problem = " ".join(map(str, error.args))
        wanted.context = {
            "tenant": wanted.tenant,
            "selected": len(params["ids"].split(",")) if params.get("ids") else 0,
            "kept": [(name, text) for name, text in params.items() if name not in choice.fields],
            "choice": choice,
        }
        return wanted


def _tenant(text: str) -> Tenant:
    try:
        return Tenant.objects.get(pk=ids.parse(Tenant.prefix, text))
    except (ValueError, Tenant.DoesNotExist) as error:
        raise ValueError("Filter by one tenant, or select events of one tenant.") from error


def read_filter(params: QueryDict, tenant: Tenant | None) -> replays.ReplayFilter:
    """Return the filter of a query. Raises ValueError with the field's name first."""
    for name in params.keys() - KNOWN:
        raise ValueError(name, "is not a field of this filter")
    fields: dict[str, Any] = {name: str(params[name]).strip() for name in TEXTS if params.get(name)}
    if params.get("ids"):
        fields["ids"] = str(params["ids"]).split(",")
    if params.get("force"):
        fields["force"] = True
    scope = params.get("scope", Replay.Scope.MISSING)
    if scope not in SCOPES:
        raise ValueError("scope", f"must be one of {', '.join(SCOPES)}")
    return replays.ReplayFilter.parse(fields, scope, tenant)


def query_from_filters(params: QueryDict) -> str:
    """Return the page's query for the filters of the list; empty if a replay cannot express them."""
    given = {name: str(text) for name, text in params.items() if text and name not in LIST_PARAMETERS}
    since, until = TimeRangeFilter.read(given, "created_at")
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
    period = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    return urlencode(query | {name: text for name, text in period.items() if text})
