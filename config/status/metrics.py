"""Give Prometheus the load of the platform: the figures of ``/status/`` as gauges."""

from collections.abc import Callable, Iterator

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
    "waypost_drains": ("Drains that reported lately.", lambda it: len(it.load.drains)),
    "waypost_drains_used_ratio": ("Part of the drains' capacity in use.", lambda it: it.load.used),
    "waypost_drains_waiting_ratio": (
        "Part of the drains' time in which they wait for the database.",
        lambda it: it.load.waiting,
    ),
    "waypost_machine_cpu_ratio": (
        "Part of the processors in use of the busiest machine that runs drains.",
        lambda it: it.load.machine_cpu,
    ),
    "waypost_attempts_in_flight": ("Attempts in flight in all drains.", lambda it: it.load.in_flight),
    "waypost_deliveries_due": ("Deliveries that are due and not claimed, up to 50,000.", lambda it: it.load.due),
    "waypost_behind_seconds": (
        "Seconds that the oldest delivery has waited for a drain.",
        lambda it: it.load.seconds_behind,
    ),
    "waypost_endpoints_behind": (
        "Endpoints with a delivery that has been due for more than 5 s, up to 20.",
        lambda it: len(it.load.behind),
    ),
    "waypost_published_per_second": ("Events accepted per second.", lambda it: it.load.published_per_second),
    "waypost_settled_per_second": ("Attempts recorded per second.", lambda it: it.load.settled_per_second),
    "waypost_commit_waiting": (
        "Most publishing requests that waited at once for a shared commit, lately.",
        lambda it: it.load.max_waiting,
    ),
    "waypost_receipts_due": ("Received messages whose handlers should run now.", lambda it: it.receipts.due),
    "waypost_receipts_behind_seconds": (
        "Seconds that the oldest of these has been due.",
        lambda it: it.receipts.seconds_behind,
    ),
}


class AlertCollector(Collector):
    """Read from the database how many alerts fire, and whether rules are evaluated in time.

    These gauges are served by web processes, so they tell too that nothing evaluates the rules any more.
    """

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield two gauges."""
        firing = GaugeMetricFamily("waypost_alerts_firing", "Alerts that fire, by severity.", labels=["severity"])
        for severity, count in firing_by_severity().items():
            firing.add_metric([severity], float(count))
        yield firing
        help_text = "Seconds that the evaluation of an alert rule is late. High: no worker evaluates them."
        yield GaugeMetricFamily("waypost_alert_evaluation_late_seconds", help_text, value=seconds_late())


class ProcessCollector(Collector):
    """Read from the database how many programs run on all machines, and how many have fallen silent."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge."""
        found = processes()
        help_text = "Programs by role and state: running, silent. A role without one that runs has 0."
        gauge = GaugeMetricFamily("waypost_processes", help_text, labels=["role", "state"])
        for role, _ in ROLES:
            states = [it for it in found.states if it.heartbeat.role == role]
            gauge.add_metric([role, "running"], float(sum(not it.is_silent for it in states)))
            gauge.add_metric([role, "silent"], float(sum(it.is_silent for it in states)))
        yield gauge


class LoadCollector(Collector):
    """Read the load from the database at each scrape, so that the result does not depend on the process."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge per entry of ``GAUGES``."""
        status = platform_status()
        for name, (help_text, value) in GAUGES.items():
            yield GaugeMetricFamily(name, help_text, value=float(value(status)))
