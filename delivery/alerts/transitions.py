"""Decide what becomes of the alerts of a rule, given where its condition holds now. PURE: the clock is passed in.

    pending     the condition holds, and has not held for ``for_minutes`` yet; gone if it stops to hold
    firing      it has held for long enough; a message is due
    resolved    it has not held for ``keep_minutes``; a message is due, if there was one about the beginning

A finding that says since when it holds becomes an alert when it has held for long enough, without a pending one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from webhooks.kit.conditions.condition import Finding

PENDING, FIRING = "pending", "firing"


class OpenAlert(Protocol):
    """Describe the columns of an alert that decide."""

    state: str
    since: datetime
    last_true_at: datetime


@dataclass(slots=True)
class Transitions:
    """Hold what changes. ``dropped``: pending alerts whose condition stopped to hold; ``held``: those that go on."""

    begun: list[tuple[Finding, str]] = field(default_factory=list)
    held: list[tuple[OpenAlert, Finding, str]] = field(default_factory=list)
    ended: list[OpenAlert] = field(default_factory=list)
    dropped: list[OpenAlert] = field(default_factory=list)


def decide(
    open_alerts: Mapping[str, OpenAlert],
    findings: Iterable[Finding],
    now: datetime,
    for_minutes: int,
    keep_minutes: int,
    *,
    are_all: bool = True,
) -> Transitions:
    """Return what changes for the open alerts, by subject, and for what was found.

    ``are_all``: the findings are all that there are; if not, no alert ends, as its subject may be among the others.
    """
    required, kept = timedelta(minutes=for_minutes), timedelta(minutes=keep_minutes)
    found = {it.subject: it for it in findings}
    changes = Transitions()
    for subject, finding in found.items():
        alert = open_alerts.get(subject)
        if alert is None:
            _begin(changes, finding, now, required)
            continue
        since = min(finding.since or alert.since, alert.since)
        is_firing = alert.state == FIRING or now - since >= required
        changes.held.append((alert, finding, FIRING if is_firing else PENDING))
    if are_all:
        _end(changes, [it for subject, it in open_alerts.items() if subject not in found], now, kept)
    return changes


def _begin(changes: Transitions, finding: Finding, now: datetime, required: timedelta) -> None:
    if finding.since is None:
        changes.begun.append((finding, PENDING if required else FIRING))
    elif now - finding.since >= required:
        changes.begun.append((finding, FIRING))


def _end(changes: Transitions, missing: Sequence[OpenAlert], now: datetime, kept: timedelta) -> None:
    for alert in missing:
        if alert.state == PENDING:
            changes.dropped.append(alert)
        elif now - alert.last_true_at >= kept:
            changes.ended.append(alert)
