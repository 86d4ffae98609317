"""The page that brings dead letters back: it shows what would come back and how many, then asks for a rate.

What is asked for stands in the query, in the words of ``replay.Filter`` and ``tenant``; the list of dead letters
translates its own filters into it. A filter that cannot be carried over is said, not dropped: what comes back is
exactly what the page shows.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.utils.http import urlencode

from delivery.admin.browsing import Window
from delivery.admin.replay_page import PAGING, Question, ReplayPage
from delivery.models import DeadLetter
from delivery.replaying import replays
from subscriptions.models import Endpoint, Tenant
from webhooks.wire import ids

__all__ = ["Redrive", "query_of"]

UNREADABLE = "?"


class Redrive(ReplayPage):
    """The page, below the list of dead letters."""

    model = DeadLetter
    title = "Bring dead letters back"
    template = "delivery/admin/redrive.html"
    created = "{} dead letters are coming back."

    def ask(self, request: HttpRequest) -> Question:
        """Raises ValueError, in words for the operator, for what names nothing or cannot be read."""
        params = request.GET
        if not params:
            raise ValueError("Say what to bring back.")
        asked: dict[str, Any] = {name: params[name] for name in params if name not in ("tenant", "all")}
        if "ids" in asked:
            asked["ids"] = asked["ids"].split(",")
        tenant = _tenant(params.get("tenant"), asked.get("ids"))
        found = replays.ReplayFilter.parse(asked)
        return Question(tenant, found, shown={"lines": _lines(tenant, asked)})


def query_of(params: QueryDict) -> str:
    """The query of the page for what the list's filters say; "" if they say what a replay cannot."""
    given = {name: str(text) for name, text in params.items() if text and name not in PAGING}
    since, until = Window.read(given, "failed_at")
    query = {
        "tenant": _public(Tenant.prefix, given.pop("tenant__id__exact", None)),
        "endpoint": _public(Endpoint.prefix, given.pop("endpoint__id__exact", None)),
        "cause": given.pop("cause__exact", None),
        "since": since.isoformat() if since else _left(given, "failed_at_from"),
        "until": until.isoformat() if until else _left(given, "failed_at_to"),
    }
    rest = {name for name in given if not name.startswith("failed_at_")} - {"state"}
    if rest or UNREADABLE in query.values() or given.get("state", "open") != "open":
        return ""
    return urlencode({name: value for name, value in query.items() if value} or {"all": "1"})


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
