"""Make the table of the metrics, docs/reference/metrics.md, from the metrics themselves."""

from typing import NamedTuple

from prometheus_client import REGISTRY

from config.metrics.exposition import platform_families
from webhooks.kit.metrics.gathered import flush_metrics

UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "0 to 1"}
# What Amazon EventBridge calls it (AWS/Events, and AWS/Scheduler), where it has a metric of the same meaning.
EVENTBRIDGE = {
    "waypost_publish_requests_total": "`PutEventsApproximateCallCount`; `5xx`: `PutEventsApproximateFailedCount`; "
    "429: `PutEventsApproximateThrottledCount`",
    "waypost_publish_seconds": "`PutEventsLatency`",
    "waypost_publish_bytes": "`PutEventsRequestSize`",
    "waypost_events_total": "`PutEventsEntriesCount`; rejected: `PutEventsFailedEntriesCount`",
    "waypost_events_matched_total": "`MatchedEvents`",
    "waypost_deliveries_created_total": "`InvocationsCreated`, `TriggeredRules`",
    "waypost_attempts_total": "`InvocationAttempts`; not delivered: `FailedInvocations`; retry: "
    "`RetryInvocationAttempts`; delivered: `SuccessfulInvocationAttempts`",
    "waypost_ingestion_to_first_attempt_seconds": "`IngestionToInvocationStartLatency`",
    "waypost_ingestion_to_delivered_seconds": "`IngestionToInvocationSuccessLatency`, "
    "`IngestionToInvocationCompleteLatency`",
    "waypost_throttled_seconds_total": "`ThrottledRules`",
    "waypost_dead_letters_opened_total": "`InvocationsSentToDlq`",
    "waypost_schedule_occurrences_total": "Scheduler: `InvocationAttemptCount`, `TargetErrorCount`",
}


class Shown(NamedTuple):
    """A metric as the table shows it; ``scope``: whether the values of several processes and machines are added."""

    name: str
    kind: str
    labels: str
    help_text: str


def counters() -> list[Shown]:
    """Return the metrics that processes count."""
    flush_metrics()
    found = [it for it in REGISTRY._collector_to_names if getattr(it, "_name", "").startswith("waypost_")]
    rows = []
    for it in found:
        name = f"{it._name}_total" if it._type == "counter" else it._name  # type: ignore[attr-defined]
        labels = ", ".join(f"`{label}`" for label in it._labelnames)  # type: ignore[attr-defined]
        rows.append(Shown(name, it._type, labels, it._documentation))  # type: ignore[attr-defined]
    return sorted(rows)


def gauges() -> list[Shown]:
    """Return the figures that are read at each scrape."""
    return sorted(
        Shown(name, "gauge", ", ".join(f"`{label}`" for label in labels), help_text)
        for name, help_text, labels in platform_families()
    )


def _unit(name: str) -> str:
    stem = name.removesuffix("_total")
    return next((unit for ending, unit in UNITS.items() if stem.endswith(f"_{ending}")), "")


def _table(rows: list[Shown]) -> str:
    lines = ["| metric | type | unit | labels | meaning | EventBridge |", "|---|---|---|---|---|---|"]
    for it in rows:
        cells = (f"`{it.name}`", it.kind, _unit(it.name), it.labels, it.help_text, EVENTBRIDGE.get(it.name, ""))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(before: str) -> str:
    """Return the page: the text before the first table as it is, and both tables."""
    head = before.partition("## Counters and histograms")[0]
    return f"""{head}## Counters and histograms

{_table(counters())}

## Figures of the platform

{_table(gauges())}
"""
