"""Write all metrics in the text format of Prometheus, at most once a second."""

import os

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from config.metrics.platform_gauges import FIRING, GAUGES, LATE, PROCESSES, PlatformCollector
from config.metrics.queries import BACKLOG, PROBE, UP, QueryCollector
from webhooks.kit.caches.single_flight import SingleFlight
from webhooks.kit.metrics.gathered import flush_metrics


def counters() -> bytes:
    """Return the counters of this process, or of all that share PROMETHEUS_MULTIPROC_DIR, which `up` sets."""
    flush_metrics()
    shared_directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry() if shared_directory else REGISTRY
    if shared_directory:
        MultiProcessCollector(registry, path=shared_directory)
    return generate_latest(registry)


def platform() -> bytes:
    """Return the figures of the platform. They are the same on all machines; what cannot be read is left out."""
    registry = CollectorRegistry()
    registry.register(PlatformCollector())
    registry.register(QueryCollector())
    return generate_latest(registry)


def platform_families() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the name, help text and labels of each figure of the platform."""
    plain = [(name, help_text) for name, (help_text, _) in (*GAUGES.items(), *BACKLOG.items())]
    labelled = [(*FIRING, ("severity",)), (*PROCESSES, ("role", "state"))]
    return [*((name, help_text, ()) for name, help_text in (*plain, LATE, UP, PROBE)), *labelled]


def _text(_key: str) -> bytes:
    return counters() + platform()


exposition = SingleFlight(_text)  # one entry, under the key ""
