"""Decide from the reports of all processes whether the platform is busy, why, and what to do about it.

PURE. A drain's ``load`` is the part of its time spent in turns. It is near 1 long before the drain has reached its
limit, because a drain that has little to do acts at once, in many small turns. A turn costs as much as about
FIXED_COST attempts, besides what its attempts cost, so what a drain could do with larger turns is known:
``used`` is the part of that which it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from webhooks.kit.jobs.duration import duration

FIXED_COST = 48  # attempts started or ended that cost as much as a turn itself
SOON = 0.55  # part of the drains' capacity in use from which more is needed soon
FULL = 0.8  # the same from which more is needed now
MACHINE_FULL = 0.85  # part of the processors in use, from which on another worker on the machine would not help
NO_PROCESSOR = 0.95  # part of the processors in use from which a machine is needed, whatever the drains do
WAITS_FOR_DATABASE = 0.5  # part of the time spent waiting from which the database is the limit
WEB_FULL = 0.85  # processors that a web process uses, of the one it can use
LATE = 10.0  # seconds that deliveries may wait for a drain while drains are idle now and then
PLACES_FULL = 0.95  # part of the places for attempts in flight


class Busy(StrEnum):
    """Whether the platform needs more capacity."""

    NO = "no"
    SOON = "soon"
    ADD_CAPACITY = "add_capacity"


class BusyBecause(StrEnum):
    """The resource that is exhausted, or would be first."""

    NOTHING = "nothing"
    NO_DRAINS = "no_drains"
    DATABASE = "database"
    MACHINE = "machine"
    DRAINS = "drains"
    PLACES = "places"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class DrainLoad:
    """The load of one drain, as it reported it. All parts are from 0 to 1."""

    load: float
    waiting: float
    turn_size: float
    in_flight: int
    max_in_flight: int

    @property
    def used(self) -> float:
        """Return the part of its capacity in use."""
        return self.load * self.turn_size / (self.turn_size + FIXED_COST) if self.turn_size else 0.0

    @property
    def places(self) -> float:
        """Return the part of the attempts that may be in flight which is."""
        return self.in_flight / max(self.max_in_flight, 1)


@dataclass(frozen=True, slots=True)
class Load:
    """The load of the whole platform.

    ``machine_cpu``: part of the processors in use, of each machine that runs drains. ``web_cpu``: processors that each
    publishing process uses. ``seconds_behind``: how long the oldest delivery has waited for a drain. ``due``:
    deliveries that are due.
    """

    drains: Sequence[DrainLoad]
    machine_cpu: Sequence[float]
    web_cpu: Sequence[float]
    seconds_behind: float
    due: int

    @property
    def used(self) -> float:
        """Return the part of the drains' capacity in use."""
        return _mean([it.used for it in self.drains])

    @property
    def waiting(self) -> float:
        """Return the part of the drains' time in which they wait for the database."""
        return _mean([it.waiting for it in self.drains])


@dataclass(frozen=True, slots=True)
class Assessment:
    """The decision, what it was made for, and both in words; ``advice`` is empty if nothing is to be done."""

    busy: Busy
    because: BusyBecause
    reason: str
    advice: str


def assess(load: Load) -> Assessment:
    """Decide whether the platform needs more capacity, and of what."""
    if not load.drains:
        return _without_drains(load)
    busy, because = _drains(load)
    if busy is Busy.NO and max(load.web_cpu, default=0.0) >= WEB_FULL:
        return Assessment(
            Busy.SOON,
            BusyBecause.WEB,
            f"A web process uses {_percent(max(load.web_cpu))} of the one processor it can use.",
            "Raise WAYPOST_WEB_WORKERS, or run web processes on another machine.",
        )
    if busy is Busy.NO:
        reason = f"The drains use {_percent(load.used)} of their capacity."
        return Assessment(busy, BusyBecause.NOTHING, reason, "")
    return Assessment(busy, because, _reason(load, because), ADVICE[because])


def _without_drains(load: Load) -> Assessment:
    if load.seconds_behind < LATE:
        return Assessment(Busy.NO, BusyBecause.NOTHING, "Nothing is due, and no drain is running.", "")
    behind = duration(timedelta(seconds=load.seconds_behind))
    reason = f"No drain has reported lately, and deliveries have been due for {behind}."
    return Assessment(Busy.ADD_CAPACITY, BusyBecause.NO_DRAINS, reason, ADVICE[BusyBecause.NO_DRAINS])


def _drains(load: Load) -> tuple[Busy, BusyBecause]:
    places = _mean([it.places for it in load.drains])
    is_late = load.seconds_behind >= LATE
    always_busy = _mean([it.load for it in load.drains]) >= FULL
    if places >= PLACES_FULL and is_late:
        return Busy.ADD_CAPACITY, BusyBecause.PLACES
    if load.used >= FULL or (is_late and always_busy):
        return Busy.ADD_CAPACITY, _limit(load)
    if load.used >= SOON or is_late:
        return Busy.SOON, _limit(load)
    if max(load.machine_cpu, default=0.0) >= NO_PROCESSOR:
        return Busy.SOON, BusyBecause.MACHINE
    return Busy.NO, BusyBecause.NOTHING


def _limit(load: Load) -> BusyBecause:
    """Return what keeps the drains from doing more."""
    if max(load.machine_cpu, default=0.0) >= MACHINE_FULL:
        return BusyBecause.MACHINE
    return BusyBecause.DATABASE if load.waiting >= WAITS_FOR_DATABASE else BusyBecause.DRAINS


ADVICE = {
    BusyBecause.NO_DRAINS: "Start a delivery worker, and see in its log why it ended.",
    BusyBecause.MACHINE: "Add a machine that runs delivery workers, or move PostgreSQL to one of its own.",
    BusyBecause.DATABASE: "Give PostgreSQL faster disks or more processors; if it has both to spare, add delivery "
    "workers (WAYPOST_DELIVERY_WORKERS).",
    BusyBecause.DRAINS: "Raise WAYPOST_DELIVERY_WORKERS: the machine has processors to spare.",
    BusyBecause.PLACES: "Raise WAYPOST_DELIVERY_WORKERS: each drain keeps a limited number of attempts in "
    "flight, and endpoints are slow to respond.",
}


def _reason(load: Load, because: BusyBecause) -> str:
    behind = duration(timedelta(seconds=load.seconds_behind))
    late = f" Deliveries have waited {behind} for a drain." if load.seconds_behind >= LATE else ""
    used = f"The drains use {_percent(load.used)} of their capacity"
    if because is BusyBecause.MACHINE:
        return f"{used}, and {_percent(max(load.machine_cpu))} of a machine's processors are in use.{late}"
    if because is BusyBecause.DATABASE:
        return f"{used}, and wait for the database {_percent(load.waiting)} of the time.{late}"
    if because is BusyBecause.PLACES:
        return f"The drains have as many attempts in flight as they can.{late}"
    return f"{used}.{late}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"
