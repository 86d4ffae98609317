"""Read and show the filter of dead letters that pages of the admin have in their query.

The query has the fields of ``ReplayFilter`` and ``tenant``; ``query_from_filters`` translates the list's filters into
it. With a filter that a replay does not know, the list offers no change by filter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from delivery.admin.replaying.replay_page import LIST_PARAMETERS
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import DeadLetter
from delivery.replaying.replay_filter import ReplayFilter
from subscriptions.models import Endpoint, Tenant
from webhooks.wire import ids

UNREADABLE = "?"
PAGE_PARAMETERS = frozenset({"tenant", "all", "what"})  # of a query, beside the fields of the filter
TIMES = ("attempted_since", "attempted_until", "since", "until")
STATES = [("", "Open and acknowledged"), ("open", "Open"), ("acknowledged", "Acknowledged")]
INPUT = {"class": "wp-input"}


class LetterFilterForm(forms.Form):
    """Show the conditions of a query, to be changed."""

    tenant = forms.CharField(
        required=False,
        label="Tenant",
        help_text="ID, external ID or name; empty: all tenants.",
        widget=forms.TextInput(attrs=INPUT),
    )
    endpoint = forms.CharField(
        required=False,
        label="Endpoint",
        help_text="ID, or external ID if a tenant is given.",
        widget=forms.TextInput(attrs=INPUT),
    )
    attempted_since = forms.DateTimeField(
        required=False,
        label="An attempt failed since (UTC)",
        help_text="When the outage began.",
        widget=forms.DateTimeInput(attrs={**INPUT, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    attempted_until = forms.DateTimeField(
        required=False,
        label="and before (UTC)",
        help_text="When it ended.",
        widget=forms.DateTimeInput(attrs={**INPUT, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    type = forms.CharField(
        required=False,
        label="Event type",
        help_text="One, or order.* for all below.",
        widget=forms.TextInput(attrs=INPUT),
    )
    cause = forms.ChoiceField(
        required=False,
        label="Cause",
        choices=[("", "Any"), *DeadLetter.Cause.choices],
        widget=forms.Select(attrs=INPUT),
    )
    state = forms.ChoiceField(required=False, label="State", choices=STATES, widget=forms.Select(attrs=INPUT))


@dataclass(frozen=True, slots=True)
class LetterSelection:
    """Hold the tenant (None: all) and the filter that a query names, and its fields as text."""

    tenant: Tenant | None
    filter: ReplayFilter
    fields: Mapping[str, Any]

    @property
    def is_of_all_tenants(self) -> bool:
        """Return whether it selects by no tenant, endpoint or ids."""
        return self.tenant is None and not self.filter.ids and self.filter.endpoint is None


def read_selection(params: QueryDict) -> LetterSelection:
    """Return what a query selects. Raises ValueError with a message for the user, the field's name first."""
    if not params:
        raise ValueError("Select dead letters, or filter the list.")
    fields: dict[str, Any] = {name: text for name, text in params.items() if text and name not in PAGE_PARAMETERS}
    if "ids" in fields:
        fields["ids"] = str(fields["ids"]).split(",")
    for name in set(TIMES) & fields.keys():
        fields[name] = _with_offset(str(fields[name]))
    tenant = _tenant(params.get("tenant") or None, fields.get("ids"))
    return LetterSelection(tenant, ReplayFilter.parse(fields, tenant=tenant), fields)


def filter_form(params: QueryDict) -> LetterFilterForm:
    """Return the form with the conditions of a query."""
    return LetterFilterForm(initial={name: str(text)[:16] if name in TIMES else text for name, text in params.items()})


def kept_fields(params: QueryDict) -> list[tuple[str, str]]:
    """Return the parameters of a query that the form has no field for."""
    shown = LetterFilterForm.base_fields
    return [(name, str(text)) for name, text in params.items() if name not in shown]


def query_from_filters(params: QueryDict) -> str:
    """Return the page's query for the filters of the list; empty if a replay cannot express them."""
    given = {name: str(text) for name, text in params.items() if text and name not in LIST_PARAMETERS}
    since, until = TimeRangeFilter.read(given, "failed_at")
    query = {
        "tenant": _public_id(Tenant.prefix, given.pop("tenant__id__exact", None)),
        "endpoint": _public_id(Endpoint.prefix, given.pop("endpoint__id__exact", None)),
        "cause": given.pop("cause__exact", None),
        "state": given.pop("state", None),
        "since": since.isoformat() if since else _unread(given, "failed_at_from"),
        "until": until.isoformat() if until else _unread(given, "failed_at_to"),
    }
    others = {name for name in given if not name.startswith("failed_at_")}
    is_closed = query["state"] not in (None, "open", "acknowledged")
    if others or UNREADABLE in query.values() or is_closed:
        return ""
    return urlencode({name: value for name, value in query.items() if value} or {"all": "1"})


def _tenant(text: str | None, letters: list[str] | None) -> Tenant | None:
    """Return the named tenant, or the one that all selected dead letters belong to, so that it sees the job."""
    if text is not None:
        return named_tenant(text)
    keys = [ids.parse(DeadLetter.prefix, letter) for letter in letters or ()]
    owners = Tenant.objects.filter(pk__in=DeadLetter.objects.filter(pk__in=keys).values("tenant"))[:2]
    return owners[0] if len(owners) == 1 else None


def named_tenant(text: str) -> Tenant:
    """Return the one tenant with this ID, external ID or name. Raises ValueError."""
    try:
        found = list(Tenant.objects.filter(pk=ids.parse(Tenant.prefix, text)))
    except ValueError:
        rows = Tenant.objects.filter(deleted_at=None)
        found = list(rows.filter(uid=text)) or list(rows.filter(name__iexact=text)[:2])
    if not found:
        raise ValueError("No tenant with this ID or name.")
    if len(found) > 1:
        raise ValueError("Several tenants have this name; give the ID.")
    return found[0]


def lines_of(selection: LetterSelection) -> list[tuple[str, str]]:
    """Return a selection as labels and values."""
    lines = [("Tenant", selection.tenant.name if selection.tenant else "All tenants")]
    labels = {"ids": "Selected", "since": "Dead since", "until": "Dead before"}
    for name, value in selection.fields.items():
        text = f"{len(value)} dead letter{'s' * (len(value) != 1)}" if name == "ids" else _text(name, value)
        lines.append((labels.get(name, name.capitalize().replace("_", " ")), text))
    return lines


def _text(name: str, value: str) -> str:
    if name == "endpoint":
        endpoint = Endpoint.objects.filter(pk=ids.parse(Endpoint.prefix, value)).first()
        return f"{endpoint} ({value})" if endpoint else value
    return str(DeadLetter.Cause(value).label) if name == "cause" else value


def _with_offset(text: str) -> str:
    """Add UTC to a time without an offset, as a form sends it; leave an invalid one for the filter to reject."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return text
    return text if moment is None or moment.tzinfo else f"{moment.isoformat()}Z"


def _public_id(prefix: str, key: str | None) -> str | None:
    try:
        return ids.public(prefix, UUID(key)) if key else None
    except ValueError:
        return UNREADABLE


def _unread(given: Mapping[str, str], end: str) -> str | None:
    """Return UNREADABLE if this end of the range was given, and could not be read."""
    return UNREADABLE if any(name.startswith(end) for name in given) else None
