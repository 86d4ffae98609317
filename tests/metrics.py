"""Read metrics as Prometheus would, with what has gathered in memory."""

from prometheus_client import REGISTRY

from webhooks.kit.metrics.gathered import flush_metrics


def metric(name: str, **labels: str) -> float:
    """Return the value of a series; 0 if it does not exist."""
    flush_metrics()
    return REGISTRY.get_sample_value(name, labels) or 0.0
