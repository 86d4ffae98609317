"""Say of each part of the platform whether it works: database, broker, programs, sources, schedules, alerts.

Programs write a heartbeat every few seconds (``delivery.load.processes``); where they do not, because another
supervisor than ours runs them, what they have done tells. Each is a look at a few rows by an index, or the cached
response of the readiness probe, so a page may ask every few seconds.
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
from delivery.load.processes import LABELS, Processes, processes
from delivery.load.roles import BEAT, DRAIN, READER, WEB, WORKER
from delivery.models import PLATFORM, Backlog, ScheduleQueue
from webhooks.kit.jobs.duration import duration
from webhooks.models import Source, SourcePartition

OK = "ok"  # of the readiness probe
PROCESSES = "admin:delivery_heartbeat_changelist"
SHOWN_PROGRAMS = 3  # names of silent ones
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


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what the parts are judged by."""

    status: PlatformStatus
    programs: Processes
    now: datetime


def platform_parts(status: PlatformStatus, now: datetime) -> list[Part]:
    """Return the state of each part."""
    seen = Seen(status, processes(), now)
    return [part for it in PARTS if (part := it(seen)) is not None]


def _program(seen: Seen, role: str, name: str, detail: str) -> Part | None:
    """Return the state of the programs of a role by their heartbeats; None where none are written for it.

    ``detail``: what the programs do while all is well.
    """
    states = [it for it in seen.programs.states if it.heartbeat.role == role]
    if role in seen.programs.missing:
        return Part(
            name,
            "bad",
            "none running",
            f"No machine runs this: {LABELS[role].lower()}",
            PROCESSES,
        )
    if not states:
        return None
    silent = [it for it in states if it.is_silent]
    if not silent:
        return Part(name, "good", f"{len(states)} running", detail, PROCESSES)
    where = ", ".join(str(it.heartbeat) for it in silent[:SHOWN_PROGRAMS])
    longest = duration(timedelta(seconds=max(it.silent_seconds for it in silent)))
    if len(silent) < len(states):
        return Part(
            name,
            "warn",
            f"{len(silent)} of {len(states)} silent",
            f"Silent: {where}",
            PROCESSES,
        )
    return Part(name, "bad", f"silent for {longest}", f"Silent: {where}", PROCESSES)


def _web(seen: Seen) -> Part | None:
    return _program(seen, WEB, "Web servers", "They respond and publish")


def _database(_seen: Seen) -> Part:
    states = readiness.get("")
    failed = {name: states[name] for name in ("database", "migrations", "encryption_keys") if states[name] != OK}
    if failed:
        words = "; ".join(f"{name.replace('_', ' ')}: {state}" for name, state in failed.items())
        return Part("Database", "bad", "not ready", words)
    return Part("Database", "good", "ready", "Reachable, migrated, and encryption keys open what is stored")


def _broker(_seen: Seen) -> Part:
    state = readiness.get("")["broker"]
    if state != OK:
        return Part("Broker", "warn", "away", f"{state}. Nothing is lost; work starts up to a second later")
    return Part("Broker", "good", "ready", "Reachable")


def _workers(seen: Seen) -> Part:
    found = _program(seen, WORKER, "Workers", "They run periodic tasks and jobs")
    worked = _sweep(seen.now)
    if found is None or (found.tone == "good" and worked.tone == "bad"):
        return worked
    return found


def _periodic_tasks(seen: Seen) -> Part | None:
    return _program(seen, BEAT, "Periodic tasks", "The schedule hands each task to a worker in time")


def _sweep(now: datetime) -> Part:
    """Return whether workers work, by the task that runs every minute."""
    measured = Backlog.objects.filter(pk=PLATFORM).values_list("measured_at", flat=True).first()
    if measured is None:
        return Part("Workers", "warn", "not seen yet", "No worker has run the sweep since the start")
    since = now - measured
    if since > LATE_MEASUREMENT:
        text = f"The sweep, due every minute, last ran {duration(since)} ago: start workers and the schedule"
        return Part("Workers", "bad", f"silent for {duration(since)}", text)
    return Part("Workers", "good", "working", "The sweep ran within the last minutes")


def _drains(seen: Seen) -> Part:
    found = _program(seen, DRAIN, "Drains", "")
    if found is not None and found.tone != "good":
        return found
    load = seen.status.load
    tone = {Busy.NO: "good", Busy.SOON: "warn", Busy.ADD_CAPACITY: "bad"}[load.assessment.busy]
    count = len(load.drains)
    state = f"{count} running, {100 * load.used:.0f} % in use" if count else "idle"
    text = f"{load.assessment.reason} {load.assessment.advice}".strip()
    return Part("Drains", tone, state, text, "admin:delivery_drainreport_changelist")  # type: ignore[arg-type]


def _sources(seen: Seen) -> Part:
    page = "admin:webhooks_source_changelist"
    count = Source.objects.filter(deleted_at=None, tenant_deleted_at=None).count()
    if not count:
        return Part("Sources", "plain", "none", "No source receives webhooks", page)
    failing = SourcePartition.objects.filter(Q(failing_since__isnull=False) & Q(next_read_at__isnull=False))
    broken = failing.values("source").distinct().count()
    if broken:
        return Part("Sources", "bad", f"{broken} failing", f"{broken} of {count:,} sources cannot be read", page)
    reader = _program(seen, READER, "Sources", "")
    if reader is not None and reader.tone != "good":
        return reader
    receipts = seen.status.receipts
    if receipts.seconds_behind > LATE_RECEIPTS:
        text = f"{receipts.due:,} received messages wait for their handlers, the oldest for"
        wait = duration(timedelta(seconds=receipts.seconds_behind))
        return Part("Sources", "warn", f"{wait} behind", f"{text} {wait}", page)
    return Part("Sources", "good", f"{count:,} receiving", "What they received is handled in time", page)


def _schedules(seen: Seen) -> Part:
    page, now = "admin:delivery_schedule_changelist", seen.now
    first = ScheduleQueue.objects.filter(due_at__isnull=False).aggregate(first=Min("due_at"))["first"]
    if first is None:
        return Part("Schedules", "plain", "none", "No schedule is active", page)
    if now - first > LATE_SCHEDULE:
        return Part("Schedules", "bad", f"{duration(now - first)} late", "The event of a schedule is overdue", page)
    return Part("Schedules", "good", "in time", "No event of a schedule is overdue", page)


def _alerts(_seen: Seen) -> Part:
    page, late = "admin:delivery_alertrule_changelist", seconds_late()
    if late > LATE_RULE:
        wait = duration(timedelta(seconds=late))
        return Part("Alert rules", "bad", f"{wait} late", "No process evaluates the alert rules", page)
    return Part("Alert rules", "good", "evaluated", "Each rule was evaluated in time", page)


PARTS: list[Callable[[Seen], Part | None]] = [
    _database,
    _broker,
    _web,
    _workers,
    _periodic_tasks,
    _drains,
    _sources,
    _schedules,
    _alerts,
]
