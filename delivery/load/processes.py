"""Read which programs run, and which have fallen silent. The table has a row for each program of each machine.

A program is silent if others have reported without a gap while it has not. So none is after a step of the database's
clock, while the database was away, or while the machine was suspended; and no role is missing right after a crash of
the database or on a replica that has become the primary, where the table is empty since it is not logged.
"""

from dataclasses import dataclass
from datetime import datetime

from delivery.load.roles import BEAT, DRAIN, READER, ROLES, WORKER
from delivery.models import Heartbeat
from webhooks.kit.sql import database_now

SILENT_AFTER = {READER: 450.0}  # seconds without a heartbeat; a reader that has nothing to read runs every five minutes
SILENT_AFTER_OTHERS = 30.0
COMPLETE_AFTER = 30.0  # seconds in which a program has reported without a gap, and all others at least once
REQUIRED = (DRAIN, WORKER, BEAT)  # without one of them something is not done; the web is seen from outside
LABELS = dict(ROLES)


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A program with its last heartbeat. ``silent_seconds``: since then, if that is too long ago; else 0."""

    heartbeat: Heartbeat
    silent_seconds: float

    @property
    def is_silent(self) -> bool:
        """Whether its last heartbeat is too long ago: it was killed, hangs, or cannot reach the database."""
        return self.silent_seconds > 0

    @property
    def since(self) -> datetime:
        """Return the time of its last heartbeat."""
        return self.heartbeat.reported_at


@dataclass(frozen=True, slots=True)
class Processes:
    """The programs of all machines. ``missing``: roles that no program has, though the platform needs one."""

    states: list[ProcessState]
    missing: list[str]

    @property
    def silent(self) -> list[ProcessState]:
        """Return the programs that have fallen silent."""
        return [it for it in self.states if it.is_silent]

    @property
    def versions(self) -> list[str]:
        """Return the versions that run, more than one during an upgrade."""
        return sorted({it.heartbeat.version for it in self.states if not it.is_silent})

    @property
    def summary(self) -> str:
        """Return what is wrong in one line, without the names of machines; "ok" if nothing is."""
        silent = sorted({it.heartbeat.role for it in self.silent})
        found = [*(f"{role} is silent" for role in silent), *(f"no {role} is running" for role in self.missing)]
        return ", ".join(found) or "ok"


def processes() -> Processes:
    """Return the programs of all machines, by machine and name; none where programs do not say who they are."""
    now = database_now()
    rows = list(Heartbeat.objects.order_by("machine", "role", "name"))
    readers = [it.reported_at for it in rows if it.role == READER]
    observed = _observed_seconds(rows, now)
    # Any machine may read all sources, so only the latest heartbeat of a reader counts.
    states = [ProcessState(it, _silent_seconds(it, max(readers, default=now), now, observed)) for it in rows]
    known = {it.role for it in rows}
    return Processes(states, [role for role in REQUIRED if observed >= COMPLETE_AFTER and role not in known])


def _observed_seconds(rows: list[Heartbeat], now: datetime) -> float:
    """Return for how long a program has reported without a gap until now; 0: none does."""
    fresh = [it for it in rows if (now - it.reported_at).total_seconds() <= SILENT_AFTER_OTHERS]
    return max(((now - it.reporting_since).total_seconds() for it in fresh), default=0.0)


def _silent_seconds(row: Heartbeat, last_reading_at: datetime, now: datetime, observed: float) -> float:
    reported_at = last_reading_at if row.role == READER else row.reported_at
    silent = (now - reported_at).total_seconds()
    return silent if min(silent, observed) > SILENT_AFTER.get(row.role, SILENT_AFTER_OTHERS) else 0.0
