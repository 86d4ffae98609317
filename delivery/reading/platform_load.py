"""Put together how busy the platform is: the reports of drains and publishers, the backlog, and what follows from them.

Each part is bounded, and the whole is a few queries, whatever the size of the tables. Once a minute the main figures
are kept for a day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from delivery.load.assessment import Assessment, DrainLoad, Load, assess
from delivery.models import DrainReport, LoadMinute, PublisherReport
from delivery.reading import queries
from delivery.reading.lanes_behind import OURS, LaneBehind, lanes_behind
from delivery.sql.load.backlog import MAX_COUNTED, MAX_EVENTS, count_due, latest_events
from delivery.sql.load.heartbeats import delete_old_heartbeats
from delivery.sql.load.reports import FRESH_FOR, delete_old_reports
from webhooks.kit.sql import database_now

MINUTES_KEPT = timedelta(days=1)
RATE_WINDOW = timedelta(seconds=10)  # the rate of publishing is that of the events written in it


@dataclass(frozen=True, slots=True)
class PlatformLoad:
    """How busy the platform is. Rates are per second.

    ``drains`` and ``publishers``: those that reported lately. ``behind``: the lanes that are behind, the worst first.
    ``seconds_behind``: how long the oldest delivery has waited for a drain; of other lanes the endpoint is the limit.
    """

    at: datetime
    assessment: Assessment
    drains: list[DrainReport]
    publishers: list[PublisherReport]
    behind: list[LaneBehind]
    used: float
    waiting: float
    machine_cpu: float
    due: int
    seconds_behind: float
    published_per_second: float

    @property
    def due_is_lower_bound(self) -> bool:
        """Whether more deliveries are due than were counted."""
        return self.due >= MAX_COUNTED

    @property
    def settled_per_second(self) -> float:
        """Return the deliveries that all drains settle."""
        return sum(it.settled_per_second for it in self.drains)

    @property
    def in_flight(self) -> int:
        """Return the attempts in flight."""
        return sum(it.in_flight for it in self.drains)

    @property
    def max_waiting(self) -> int:
        """Return the most publishing requests that waited for a commit in one process lately."""
        return max((it.max_waiting for it in self.publishers), default=0)


def platform_load() -> PlatformLoad:
    """Return how busy the platform is now."""
    now = database_now()
    fresh_since = now - timedelta(seconds=FRESH_FOR)
    drains = list(DrainReport.objects.filter(reported_at__gte=fresh_since).order_by("machine", "pid"))
    publishers = list(PublisherReport.objects.filter(reported_at__gte=fresh_since).order_by("machine", "pid"))
    behind = lanes_behind()
    load = Load(
        drains=[drain_load(it) for it in drains],
        machine_cpu=[it.machine_cpu for it in drains],
        web_cpu=[it.cpu for it in publishers],
        seconds_behind=max((it.seconds for it in behind if it.because in OURS), default=0.0),
        due=count_due(),
    )
    return PlatformLoad(
        at=now,
        assessment=assess(load),
        drains=drains,
        publishers=publishers,
        behind=behind,
        used=load.used,
        waiting=load.waiting,
        machine_cpu=max(load.machine_cpu, default=0.0),
        due=load.due,
        seconds_behind=load.seconds_behind,
        published_per_second=_publish_rate(now),
    )


def drain_load(report: DrainReport) -> DrainLoad:
    """Return the load of a drain over the last minute."""
    part = report.minute_load / report.load if report.load else 0.0
    return DrainLoad(
        load=report.minute_load,
        waiting=min(report.waiting * part, 1.0),
        turn_size=report.turn_size,
        in_flight=report.in_flight,
        max_in_flight=report.max_in_flight,
    )


def _publish_rate(now: datetime) -> float:
    """Return the events published per second, from those of RATE_WINDOW or the latest of them."""
    latest = latest_events(queries.place(now - RATE_WINDOW))
    if latest.oldest_id is None:
        return 0.0
    if latest.number < MAX_EVENTS:
        return latest.number / RATE_WINDOW.total_seconds()
    oldest = (latest.oldest_id.int >> 80) / 1000  # unix seconds: the first 48 bits of a UUIDv7 are milliseconds
    return latest.number / max(now.timestamp() - oldest, 0.001)


def record_minute() -> None:
    """Keep the main figures of this minute, delete those older than MINUTES_KEPT and the reports of ended processes."""
    load = platform_load()
    LoadMinute.objects.update_or_create(
        begins_at=load.at.replace(second=0, microsecond=0),
        defaults={
            "drains": len(load.drains),
            "used": load.used,
            "waiting": load.waiting,
            "machine_cpu": load.machine_cpu,
            "published_per_second": load.published_per_second,
            "settled_per_second": load.settled_per_second,
            "due": load.due,
            "seconds_behind": load.seconds_behind,
        },
    )
    LoadMinute.objects.filter(begins_at__lt=load.at - MINUTES_KEPT).delete()
    delete_old_reports()
    delete_old_heartbeats()


def recent_minutes(period: timedelta) -> list[LoadMinute]:
    """Return the figures kept of this period until now, the oldest first; minutes may be missing."""
    return list(LoadMinute.objects.filter(begins_at__gte=timezone.now() - period).order_by("begins_at"))
