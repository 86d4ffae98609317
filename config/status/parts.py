"""Say of each part of the platform whether it works: database, broker, workers, drains, sources, schedules, alerts.

Each is a look at a few rows by an index, or the cached response of the readiness probe, so a page may ask every few
seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Min, Q

from config.ops.probes import readiness
from config.status.status import PlatformStatus
from delivery.alerts.history import seconds_late
from delivery.load.assessment import Busy
from delivery.models import PLATFORM, Backlog, ScheduleQueue
from webhooks.kit.jobs.duration import duration
from webhooks.models import Source, SourcePartition

OK = "ok"  # of the readiness probe
LATE_MEASUREMENT = timedelta(minutes=3)  # the sweep measures once a minute
LATE_RULE = 60.0  # seconds
LATE_SCHEDULE = timedelta(seconds=60)
LATE_RECEIPTS = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the platform: its state in a word or two, in the colour of its tone, and what that means.

    ``url_name``: the admin's page about it; empty: there is none.
    """

    name: str
    tone: Literal["good", "warn", "bad", "plain"]
    state: str
    detail: str = ""
    url_name: str = ""


def platform_parts(status: PlatformStatus, now: datetime) -> list[Part]:
    """Return the state of each part."""
    return [it(status, now) for it in PARTS]


def _database(_status: PlatformStatus, _now: datetime) -> Part:
    states = readiness.get("")
    failed = {name: states[name] for name in ("database", "migrations", "encryption_keys") if states[name] != OK}
    if failed:
        words = "; ".join(f"{name.replace('_', ' ')}: {state}" for name, state in failed.items())
        return Part("Database", "bad", "not ready", words)
    return Part("Database", "good", "ready", "Reachable, migrated, and encryption keys open what is stored")


def _broker(_status: PlatformStatus, _now: datetime) -> Part:
    state = readiness.get("")["broker"]
    if state != OK:
        return Part("Broker", "warn", "away", f"{state}. Nothing is lost; work starts up to a second later")
    return Part("Broker", "good", "ready", "Reachable")


def _workers(_status: PlatformStatus, now: datetime) -> Part:
    measured = Backlog.objects.filter(pk=PLATFORM).values_list("measured_at", flat=True).first()
    if measured is None:
        return Part("Workers", "warn", "not seen yet", "No worker has run the sweep since the start")
    since = now - measured
    if since > LATE_MEASUREMENT:
        text = f"The sweep, due every minute, last ran {duration(since)} ago: start workers and the schedule"
        return Part("Workers", "bad", f"silent for {duration(since)}", text)
    return Part("Workers", "good", "working", "The sweep ran within the last minutes")


def _drains(status: PlatformStatus, _now: datetime) -> Part:
    load = status.load
    tone = {Busy.NO: "good", Busy.SOON: "warn", Busy.ADD_CAPACITY: "bad"}[load.assessment.busy]
    count = len(load.drains)
    state = f"{count} running, {100 * load.used:.0f} % in use" if count else "idle"
    text = f"{load.assessment.reason} {load.assessment.advice}".strip()
    return Part("Drains", tone, state, text, "admin:delivery_drainreport_changelist")  # type: ignore[arg-type]


def _sources(status: PlatformStatus, _now: datetime) -> Part:
    page = "admin:webhooks_source_changelist"
    count = Source.objects.filter(deleted_at=None, tenant_deleted_at=None).count()
    if not count:
        return Part("Sources", "plain", "none", "No source receives webhooks", page)
    failing = SourcePartition.objects.filter(Q(failing_since__isnull=False) & Q(next_read_at__isnull=False))
    broken = failing.values("source").distinct().count()
    if broken:
        return Part("Sources", "bad", f"{broken} failing", f"{broken} of {count:,} sources cannot be read", page)
    receipts = status.receipts
    if receipts.seconds_behind > LATE_RECEIPTS:
        text = f"{receipts.due:,} received messages wait for their handlers, the oldest for"
        wait = duration(timedelta(seconds=receipts.seconds_behind))
        return Part("Sources", "warn", f"{wait} behind", f"{text} {wait}", page)
    return Part("Sources", "good", f"{count:,} receiving", "What they received is handled in time", page)


def _schedules(_status: PlatformStatus, now: datetime) -> Part:
    page = "admin:delivery_schedule_changelist"
    first = ScheduleQueue.objects.filter(due_at__isnull=False).aggregate(first=Min("due_at"))["first"]
    if first is None:
        return Part("Schedules", "plain", "none", "No schedule is active", page)
    if now - first > LATE_SCHEDULE:
        return Part("Schedules", "bad", f"{duration(now - first)} late", "The event of a schedule is overdue", page)
    return Part("Schedules", "good", "in time", "No event of a schedule is overdue", page)


def _alerts(_status: PlatformStatus, _now: datetime) -> Part:
    page, late = "admin:delivery_alertrule_changelist", seconds_late()
    if late > LATE_RULE:
        wait = duration(timedelta(seconds=late))
        return Part("Alert rules", "bad", f"{wait} late", "No process evaluates the alert rules", page)
    return Part("Alert rules", "good", "evaluated", "Each rule was evaluated in time", page)


PARTS: list[Callable[[PlatformStatus, datetime], Part]] = [
    _database,
    _broker,
    _workers,
    _drains,
    _sources,
    _schedules,
    _alerts,
]
