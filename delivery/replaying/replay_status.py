"""Say what became of the deliveries of a replay, and which endpoints it does not reach now."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from delivery.models import Delivery, Replay
from delivery.replaying.backfill import MAX_ROWS
from delivery.replaying.dead_letters import undeleted_dead_letters
from delivery.replaying.replay_filter import ReplayFilter
from subscriptions.models import Endpoint, Subscription, Tenant

MAX_NAMED = 5  # endpoints in one warning
WAITS = {
    Endpoint.State.DISABLED: "disabled: nothing is sent to it until it is enabled",
    Endpoint.State.PAUSED: "paused: what is sent to it waits, at most 7 days",
    Endpoint.State.UNVERIFIED: "not verified: what is sent to it waits, at most 7 days",
}


class ReplayedStates(NamedTuple):
    """Count the deliveries that a replay re-queued by their state now.

    A delivery that a later replay sent again counts there. ``is_lower_bound``: counting stopped at MAX_ROWS.
    """

    pending: int = 0
    sending: int = 0
    delivered: int = 0
    dead: int = 0
    cancelled: int = 0
    superseded: int = 0
    is_lower_bound: bool = False


def states_of(row: Replay) -> ReplayedStates:
    """Return what became of the deliveries of a replay."""
    rows = Delivery.objects.filter(replay=row).order_by()[: MAX_ROWS + 1]
    counted = Delivery.objects.filter(id__in=rows.values("id")).values_list("state").annotate(Count("id")).order_by()
    states = dict(counted)
    return ReplayedStates(**states, is_lower_bound=sum(states.values()) > MAX_ROWS)


def warnings_before(tenant: Tenant | None, selected: ReplayFilter) -> list[str]:
    """Return a warning for each state in which endpoints of this selection do not get what is sent to them."""
    rows = Endpoint.objects.filter(deleted_at=None)
    if selected.scope == Replay.Scope.DEAD_LETTERS:
        letters = undeleted_dead_letters(tenant, selected)[:MAX_ROWS]
        return _warnings(rows.filter(id__in=letters.values("endpoint")))
    rows = rows.filter(tenant=tenant)
    if selected.endpoint:
        return _warnings(rows.filter(id=selected.endpoint))
    if selected.labels:
        rows = rows.filter(labels__contains=selected.labels)
    subscriptions = Subscription.objects.filter(tenant=tenant, active=True)
    by_labels = subscriptions.filter(endpoint=None, endpoint_labels__contained_by=OuterRef("labels"))
    return _warnings(rows.filter(Q(Exists(subscriptions.filter(endpoint=OuterRef("pk")))) | Q(Exists(by_labels))))


def warnings_of(row: Replay) -> list[str]:
    """Return a warning for each state in which endpoints do not get what this replay re-queued for them."""
    waiting = Delivery.objects.filter(replay=row, state=Delivery.State.PENDING)
    return _warnings(Endpoint.objects.filter(deleted_at=None, id__in=waiting.values("endpoint")[:MAX_ROWS]))


def _warnings(endpoints: QuerySet[Endpoint]) -> list[str]:
    inactive = endpoints.filter(state__in=WAITS).select_related("http", "destination").order_by("id")
    by_state: dict[str, list[str]] = {}
    for endpoint in inactive[: MAX_NAMED * len(WAITS)]:
        by_state.setdefault(endpoint.state, []).append(endpoint.uid or endpoint.public_id)
    return [_warning(state, names) for state, names in by_state.items()]


def _warning(state: str, names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:MAX_NAMED]) + (" and others" if len(listed) > MAX_NAMED else "")
    return f"{shown}: {WAITS[Endpoint.State(state)]}."
