"""Give Prometheus the load of the platform: the figures of ``/status/``, and of alert rules, as gauges."""

from collections.abc import Callable, Iterator

from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config.status.status import PlatformStatus, platform_status
from delivery.alerts.history import firing_by_severity, seconds_late
from delivery.load.assessment import Busy
from delivery.load.processes import processes
from delivery.load.roles import ROLES

LEVELS = list(Busy)
# Name of a gauge: its help text and its value.
GAUGES: dict[str, tuple[str, Callable[[PlatformStatus], float]]] = {
    "waypost_busy": (
        "Whether more capacity is needed: 0 no, 1 soon, 2 now.",
        lambda it: LEVELS.index(it.load.assessment.busy),
    ),
    "waypost_drains": ("Drains that reported within the last 20 seconds.", lambda it: len(it.load.drains)),
    "waypost_drains_used_ratio": ("Part of the drains' capacity in use.", lambda it: it.load.used),
    "waypost_drains_waiting_ratio": (
        "Part of the drains' time in which they wait for the database.",
        lambda it: it.load.waiting,
    ),
    "waypost_lanes_leased": (
        "Lanes that drains have leased: endpoints that they send to.",
        lambda it: sum(drain.lanes for drain in it.load.drains),
    ),
    "waypost_machine_cpu_ratio": (
        "Part of the processors in use of the busiest machine that runs drains.",
        lambda it: it.load.machine_cpu,
    ),
    "waypost_machine_disk_free_ratio": (
        "Part of the disk that is free on the machine with the least that runs drains; 1 if none runs.",
        lambda it: min((drain.disk_free for drain in it.load.drains), default=1.0),
    ),
    "waypost_attempts_in_flight": ("Attempts in flight in all drains.", lambda it: it.load.in_flight),
    "waypost_deliveries_due": ("Deliveries that are due and not claimed, up to 50,000.", lambda it: it.load.due),
    "waypost_behind_seconds": (
        "Time that the oldest delivery has waited for a drain, where nothing of its endpoint holds it back.",
        lambda it: it.load.seconds_behind,
    ),
    "waypost_endpoints_behind": (
        "Endpoints with a delivery that has been due for more than 5 s, up to 20.",
        lambda it: len(it.load.behind),
    ),
    "waypost_published_per_second": ("Events accepted per second.", lambda it: it.load.published_per_second),
    "waypost_settled_per_second": ("Attempts recorded per second.", lambda it: it.load.settled_per_second),
    "waypost_commit_waiting": (
        "Most publishing requests that waited at once for a shared commit, in the last seconds.",
        lambda it: it.load.max_waiting,
    ),
    "waypost_receipts_due": ("Received messages whose handlers should run now.", lambda it: it.receipts.due),
    "waypost_receipts_behind_seconds": (
        "Time that the oldest of these has been due.",
        lambda it: it.receipts.seconds_behind,
    ),
}
FIRING = ("waypost_alerts_firing", "Alerts that fire, by severity.")
PROCESSES = (
    "waypost_processes",
    "Programs of all machines by role and state: running, silent. A role without one that runs has 0.",
)
LATE = (
    "waypost_alert_evaluation_late_seconds",
    "Time by which the evaluation of an alert rule is late. High: neither a worker nor a web process evaluates them.",
)


class PlatformCollector(Collector):
    """Read the figures from the database at each scrape, so that the result does not depend on the process.

    Web processes serve them, so they tell too that no worker runs any more.
    """

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge per entry of ``GAUGES``, those of alerts and of programs; none without the database."""
        try:
            status = platform_status()
            firing, late = firing_by_severity(), seconds_late()
            found = processes()
        except Error:
            return
        for name, (help_text, value) in GAUGES.items():
            yield GaugeMetricFamily(name, help_text, value=float(value(status)))
        by_severity = GaugeMetricFamily(*FIRING, labels=["severity"])
        for severity, count in firing.items():
            by_severity.add_metric([severity], float(count))
        yield by_severity
        by_role = GaugeMetricFamily(*PROCESSES, labels=["role", "state"])
        for role, _ in ROLES:
            states = [it for it in found.states if it.heartbeat.role == role]
            by_role.add_metric([role, "running"], float(sum(not it.is_silent for it in states)))
            by_role.add_metric([role, "silent"], float(sum(it.is_silent for it in states)))
        yield by_role
        yield GaugeMetricFamily(*LATE, value=late)
