"""Replay dead letters, selected in the list or matching its filters.

The query has the fields of ``ReplayFilter`` and ``tenant``; ``query_from_filters`` translates the list's filters into
it. With a filter that a replay does not know, the list offers no replay by filter.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.utils.http import urlencode

from delivery.admin.replaying.replay_page import LIST_PARAMETERS, ReplayPage, ReplayRequest
from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import DeadLetter
from delivery.replaying import replays
from subscriptions.models import Endpoint, Tenant
from webhooks.wire import ids

UNREADABLE = "?"
LABELS = {"ids": "Selected", "since": "Failed since", "until": "Failed before"}


class ReplayDeadLettersPage(ReplayPage):
    """Ask for a replay of open dead letters."""

    model = DeadLetter
    title = "Replay dead letters"
    template = "delivery/admin/replay_dead_letters.html"

    def read(self, request: HttpRequest) -> ReplayRequest:
        params = request.GET
        if not params:
            raise ValueError("Select dead letters, or replay by filter.")
        fields: dict[str, Any] = {name: params[name] for name in params if name not in ("tenant", "all")}
        if "ids" in fields:
            fields["ids"] = fields["ids"].split(",")
        tenant = _tenant(params.get("tenant"), fields.get("ids"))
        selected = replays.ReplayFilter.parse(fields)
        return ReplayRequest(tenant, selected, context={"lines": _lines(tenant, fields)})


def query_from_filters(params: QueryDict) -> str:
    """Return the page's query for the filters of the list; empty if a replay cannot express them."""
    given = {name: str(text) for name, text in params.items() if text and name not in LIST_PARAMETERS}
    since, until = TimeRangeFilter.read(given, "failed_at")
    query = {
        "tenant": _public_id(Tenant.prefix, given.pop("tenant__id__exact", None)),
        "endpoint": _public_id(Endpoint.prefix, given.pop("endpoint__id__exact", None)),
        "cause": given.pop("cause__exact", None),
        "since": since.isoformat() if since else _unread(given, "failed_at_from"),
        "until": until.isoformat() if until else _unread(given, "failed_at_to"),
    }
    others = {name for name in given if not name.startswith("failed_at_")} - {"state"}
    if others or UNREADABLE in query.values() or given.get("state", "open") != "open":
        return ""
    return urlencode({name: value for name, value in query.items() if value} or {"all": "1"})


def _tenant(text: str | None, letters: list[str] | None) -> Tenant | None:
    """Return the named tenant, or the one that all selected dead letters belong to, so that it sees the replay."""
    if text is not None:
        tenant = Tenant.objects.filter(pk=ids.parse(Tenant.prefix, text)).first()
        if tenant is None:
            raise ValueError("No tenant with this ID.")
        return tenant
    keys = [ids.parse(DeadLetter.prefix, letter) for letter in letters or ()]
    owners = Tenant.objects.filter(pk__in=DeadLetter.objects.filter(pk__in=keys).values("tenant"))[:2]
    return owners[0] if len(owners) == 1 else None


def _lines(tenant: Tenant | None, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the filter as labels and values."""
    lines = [("Tenant", tenant.name if tenant else "All tenants")]
    for name, value in fields.items():
        text = f"{len(value)} dead letters" if name == "ids" else _text(name, value)
        lines.append((LABELS.get(name, name.capitalize()), text))
    return lines


def _text(name: str, value: str) -> str:
    if name == "endpoint":
        endpoint = Endpoint.objects.filter(pk=ids.parse(Endpoint.prefix, value)).first()
        return f"{endpoint} ({value})" if endpoint else value
    return str(DeadLetter.Cause(value).label) if name == "cause" else value


def _public_id(prefix: str, key: str | None) -> str | None:
    try:
        return ids.public(prefix, UUID(key)) if key else None
    except ValueError:
        return UNREADABLE


def _unread(given: Mapping[str, str], end: str) -> str | None:
    """Return UNREADABLE if this end of the range was given, and could not be read."""
    return UNREADABLE if any(name.startswith(end) for name in given) else None
