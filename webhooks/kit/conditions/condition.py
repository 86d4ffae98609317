"""Describe a condition that alert rules can watch, what it is asked and what it finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from webhooks.kit.kinds.setting import Setting

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Question:
    """Ask a condition where it holds.

    ``tenant_id``: the tenant to look at; None: all of them. ``since``: when the rule was switched on, for conditions
    about what has not happened yet. ``limit``: the most findings that are of use.
    """

    tenant_id: UUID | None
    settings: Mapping[str, Any]
    now: datetime
    since: datetime
    limit: int = 1_000

    def minutes_ago(self, name: str) -> datetime:
        """Return the time as many minutes ago as a setting says."""
        return self.now - timedelta(minutes=int(self.settings[name]))

    @property
    def hour(self) -> datetime:
        """Return the beginning of the current hour."""
        return self.now.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Finding:
    """A subject for which a condition holds.

    ``subject``: its id, or a name that stays the same. ``since``: when that began, where it is known. ``value``: the
    figure that was compared. ``step``: rises when it becomes so much worse that a further message is due.
    """

    subject_type: str
    subject: str
    name: str
    message: str
    tenant_id: UUID | None = None
    since: datetime | None = None
    value: float | None = None
    step: int = 0


@dataclass(frozen=True, slots=True)
class PastFinding:
    """A subject for which a condition held in an hour of the past."""

    subject: str
    name: str
    begins_at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """A kind of condition: how it is shown and configured, and how it is evaluated.

    ``find``: return where it holds, those first that began first. ``past``: the same for the hours from one time to
    another, from hourly figures; None: there are none. ``check``: raise InvalidSettings for settings that name what
    does not exist. ``every``: seconds between two evaluations. ``minutes``: a sensible ``for_minutes``. ``may_hold``:
    an SQL expression without parameters, a look into a small index or table; while it is false the condition holds
    nowhere, with any settings, and ``find`` is not called. Empty: ``find`` is always called.
    """

    name: str
    label: str
    description: str
    find: Callable[[Question], list[Finding]]
    settings: tuple[Setting, ...] = ()
    every: float = 5.0
    minutes: int = 0
    is_for_operators: bool = False
    past: Callable[[Question, datetime, datetime], list[PastFinding]] | None = None
    check: Callable[[Question], object] | None = None
    may_hold: str = ""


def above(default: int, help_text: str, *, maximum: int = 1_000_000_000, minimum: int = 0) -> Setting:
    """Return the setting of a limit that a figure has to exceed."""
    return Setting(
        "above", "Above", help_text, type="number", default=default, minimum=minimum, maximum=maximum, example="10"
    )


def hours(default: int, help_text: str) -> Setting:
    """Return the setting of the full hours that are looked at besides the current one."""
    return Setting("hours", "Hours", help_text, type="number", default=default, minimum=1, maximum=24, example="1")


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in words, such as "12 min"."""
    seconds = max(int((now - moment).total_seconds()), 0)
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (name == "min" and seconds >= length):
            return f"{seconds // length} {name}"
    return f"{seconds} s"
