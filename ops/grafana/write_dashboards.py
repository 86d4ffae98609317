"""Write the dashboards of Grafana as JSON, one for each audience: ``python ops/grafana/write_dashboards.py``.

A dashboard is a list of rows, and a row a list of panels. A test compares the files with what this makes, and the
metrics of each query with those that a scrape has.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH = 24  # columns of a dashboard
HEIGHT = {"stat": 4, "timeseries": 8}
BY_TENANT = "WAYPOST_METRICS_BY=tenant (or endpoint) gives the metrics the label that this dashboard needs."
BY_ENDPOINT = "WAYPOST_METRICS_BY=endpoint gives the metrics the labels that this dashboard needs."


@dataclass(frozen=True)
class Panel:
    """A panel: its title, unit of Grafana, and queries with their legends. ``red_from``: the value that is bad."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    description: str = ""
    stacked: bool = False
    red_from: float | None = None

    def write(self, number: int, x: int, y: int, width: int) -> dict[str, Any]:
        """Return the panel as Grafana reads it."""
        steps: list[dict[str, Any]] = [{"color": "green" if self.kind == "stat" else "text", "value": None}]
        if self.red_from is not None:
            steps.append({"color": "red", "value": self.red_from})
        defaults: dict[str, Any] = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            stacking = {"mode": "normal" if self.stacked else "none"}
            defaults["custom"] = {"fillOpacity": 20 if self.stacked else 0, "stacking": stacking, "showPoints": "never"}
        options: dict[str, Any] = (
            {"colorMode": "background" if self.red_from is not None else "value", "reduceOptions": {"calcs": ["last"]}}
            if self.kind == "stat"
            else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
        )
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHT[self.kind]},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
            "targets": [
                {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": query, "legendFormat": legend}
                for place, (query, legend) in enumerate(self.queries)
            ],
        }


def stat(title: str, query: str, unit: str = "short", *, red_from: float | None = None, description: str = "") -> Panel:
    """Return a panel with the latest value of a query."""
    return Panel(title, unit, ((query, ""),), "stat", description, red_from=red_from)


def lines(title: str, unit: str, *queries: tuple[str, str], description: str = "") -> Panel:
    """Return a panel with a line for each series."""
    return Panel(title, unit, queries, description=description)


def areas(title: str, unit: str, *queries: tuple[str, str], description: str = "") -> Panel:
    """Return a panel with stacked areas."""
    return Panel(title, unit, queries, description=description, stacked=True)


def quantiles(title: str, metric: str, where: str = "", description: str = "") -> Panel:
    """Return a panel with the median, the 95th and the 99th percentile of a histogram."""
    buckets = f"sum by (le) (rate({metric}_bucket{where}[$__rate_interval]))"
    queries = [(f"histogram_quantile({part}, {buckets})", name) for part, name in QUANTILES]
    return lines(title, "s", *queries, description=description)


QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))
Row = tuple[str, list[Panel]]


def rate(metric: str, by: str, where: str = "") -> str:
    """Return the query of a counter's rate by a label."""
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"


PLATFORM: list[Row] = [
    (
        "Is all well?",
        [
            stat("Alerts firing", "sum(max by (severity) (waypost_alerts_firing))", red_from=1),
            stat("Service level, 30 days", "1 - waypost:service_level_errors:ratio_rate30d", "percentunit"),
            stat("Capacity needed", "max(waypost_busy)", red_from=2, description="0 no, 1 soon, 2 now"),
            stat("Silent programs", 'sum(max by (role) (waypost_processes{state="silent"}))', red_from=1),
            stat("Database", "min(waypost_database_up)", description="1: it responds on every machine"),
            stat("Oldest delivery waits", "max(waypost_behind_seconds)", "s", red_from=30),
            stat("Open dead letters", "max(waypost_dead_letters_open)"),
            stat("Circuits open", "max(waypost_circuits_open)"),
        ],
    ),
    (
        "Publishing",
        [
            areas("Events", "eps", (rate("waypost_events_total", "result, reason"), "{{result}} {{reason}}")),
            areas("Requests by status", "reqps", (rate("waypost_publish_requests_total", "code"), "{{code}}")),
            quantiles("Response time", "waypost_publish_seconds"),
            lines(
                "Matched events and deliveries",
                "ops",
                (rate("waypost_deliveries_created_total", "by"), "deliveries by {{by}}"),
                ("sum(rate(waypost_events_matched_total[$__rate_interval]))", "matched events"),
            ),
            quantiles("Commit of events", "waypost_group_commit_seconds", '{items="events"}'),
            lines(
                "Deferred fan-outs",
                "short",
                ("max(waypost_fan_outs_waiting)", "waiting"),
                (rate("waypost_fan_outs_deferred_total", "reason"), "{{reason}}/s"),
            ),
        ],
    ),
    (
        "Delivering",
        [
            areas("Attempts by outcome", "ops", (rate("waypost_attempts_total", "outcome"), "{{outcome}}")),
            areas("Attempts by kind", "ops", (rate("waypost_attempts_total", "kind"), "{{kind}}")),
            quantiles(
                "Ingestion to delivered, healthy endpoints",
                "waypost_ingestion_to_delivered_seconds",
                '{health="healthy"}',
            ),
            quantiles("Ingestion to first attempt", "waypost_ingestion_to_first_attempt_seconds"),
            lines(
                "Backlog",
                "short",
                ("max(waypost_deliveries_pending)", "pending"),
                ("max(waypost_deliveries_due)", "due"),
                ("max(waypost_attempts_in_flight)", "in flight"),
            ),
            areas("Dead letters", "short", (rate("waypost_dead_letters_opened_total", "cause"), "{{cause}}/s")),
            quantiles("Claim", "waypost_claim_seconds"),
            quantiles("Settle", "waypost_settle_seconds"),
            lines(
                "Endpoints",
                "short",
                ("max(waypost_endpoints_failing)", "failing"),
                ("max(waypost_circuits_open)", "circuit open"),
                ("max(waypost_endpoints_behind)", "behind"),
                ("max(waypost_lanes_leased)", "leased"),
            ),
        ],
    ),
    (
        "Machines, database and broker",
        [
            lines(
                "Load",
                "percentunit",
                ("max(waypost_drains_used_ratio)", "drains"),
                ("max(waypost_machine_cpu_ratio)", "processors"),
                ("max(waypost_drains_waiting_ratio)", "drains wait for the database"),
            ),
            lines(
                "Database",
                "s",
                ("max(waypost_database_probe_seconds)", "SELECT 1"),
                ("waypost:group_commit_seconds:p99_rate5m", "commit of {{items}}, p99"),
            ),
            lines("Database errors", "ops", (rate("waypost_database_errors_total", "kind"), "{{kind}}")),
            lines(
                "Connections and disk",
                "percentunit",
                ("max(waypost_database_connections_ratio)", "connections"),
                ("1 - min(waypost_machine_disk_free_ratio)", "disk"),
            ),
            lines(
                "WAL held for readers",
                "bytes",
                ("max(waypost_database_wal_held_bytes)", "of our database"),
                ("max(waypost_sources_held_bytes)", "of a source"),
            ),
            lines("Failed notifications", "ops", (rate("waypost_wakeups_failed_total", "channel"), "{{channel}}")),
            lines(
                "Schedules",
                "s",
                ("max(waypost_schedules_late_seconds)", "oldest due"),
                (
                    "histogram_quantile(0.99, sum by (le) "
                    "(rate(waypost_schedule_lateness_seconds_bucket[$__rate_interval])))",
                    "lateness, p99",
                ),
            ),
            lines("Evaluation of alert rules", "s", ("max(waypost_alert_evaluation_late_seconds)", "late")),
        ],
    ),
]


def _of(where: str) -> list[Row]:
    """Return the rows about deliveries that these labels choose."""
    attempts = f"rate(waypost_attempts_total{where}[$__rate_interval])"
    delivered = f'rate(waypost_attempts_total{where[:-1]}, outcome="delivered"}}[$__rate_interval])'
    return [
        (
            "Deliveries",
            [
                stat("Success rate", f"sum({delivered}) / sum({attempts})", "percentunit"),
                stat("Attempts", f"sum({attempts})", "ops"),
                stat(
                    "Throttled", f"sum(rate(waypost_throttled_seconds_total{where}[$__rate_interval]))", "percentunit"
                ),
                areas("Attempts by outcome", "ops", (f"sum by (outcome) ({attempts})", "{{outcome}}")),
                areas("Attempts by kind", "ops", (f"sum by (kind) ({attempts})", "{{kind}}")),
                quantiles("Ingestion to delivered", "waypost_ingestion_to_delivered_seconds", where),
                lines(
                    "Time at the rate limit",
                    "percentunit",
                    (
                        f"sum by (endpoint) (rate(waypost_throttled_seconds_total{where}[$__rate_interval]))",
                        "{{endpoint}}",
                    ),
                    description="Part of the time in which only the rate limit held deliveries back.",
                ),
            ],
        )
    ]


RECEIVER: list[Row] = [
    (
        "Receiving",
        [
            stat("Messages", "sum(rate(waypost_receiver_body_bytes_count[$__rate_interval]))", "reqps"),
            stat("Handlers wait", "max(waypost_receipts_behind_seconds)", "s", red_from=60),
            stat("Receipts due", "max(waypost_receipts_due)"),
            stat("Sources failing", "max(waypost_sources_failing)", red_from=1),
            areas("Requests by status", "reqps", (rate("waypost_receiver_requests_total", "code"), "{{code}}")),
            areas("Requests by scheme", "reqps", (rate("waypost_receiver_requests_total", "scheme"), "{{scheme}}")),
            quantiles("Response time", "waypost_receiver_request_seconds"),
            areas(
                "Refused messages",
                "reqps",
                (rate("waypost_receiver_rejections_total", "scheme, reason"), "{{scheme}}: {{reason}}"),
            ),
            lines("Duplicates", "reqps", (rate("waypost_receiver_duplicates_total", "scheme"), "{{scheme}}")),
            lines(
                "Bytes",
                "Bps",
                ("sum(rate(waypost_receiver_body_bytes_sum[$__rate_interval]))", "received"),
                ("sum(rate(waypost_receiver_claimed_bytes_total[$__rate_interval]))", "to object storage"),
            ),
            quantiles("Commit of receipts", "waypost_group_commit_seconds", '{items="receipts"}'),
        ],
    ),
    (
        "Handling",
        [
            areas("Runs by outcome", "ops", (rate("waypost_receiver_handler_runs_total", "outcome"), "{{outcome}}")),
            quantiles("Run of handlers", "waypost_receiver_handler_run_seconds"),
            quantiles("Received to handled", "waypost_receiver_handled_seconds"),
            lines("Requests that wait for handlers", "reqps", (rate("waypost_receiver_waits_total", "end"), "{{end}}")),
        ],
    ),
    (
        "Sources that are read",
        [
            areas("Records", "ops", (rate("waypost_source_records_total", "result"), "{{result}}")),
            lines("Unread records", "short", ("max(waypost_sources_lag_records)", "records")),
            lines("Age of the oldest unread record", "s", ("max(waypost_sources_lag_seconds)", "oldest")),
        ],
    ),
]


def variable(name: str, query: str) -> dict[str, Any]:
    """Return a variable with the values of a label."""
    return {
        "name": name,
        "label": name.title(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
    }


TENANTS = variable("tenant", "label_values(waypost_attempts_total, tenant)")
ENDPOINTS = variable("endpoint", 'label_values(waypost_attempts_total{tenant="$tenant"}, endpoint)')
# File: title, description, variables, rows.
DASHBOARDS: dict[str, tuple[str, str, list[dict[str, Any]], list[Row]]] = {
    "platform": ("Waypost: platform", "For the operators of the platform.", [], PLATFORM),
    "tenant": ("Waypost: tenant", BY_TENANT, [TENANTS], _of('{tenant="$tenant"}')),
    "endpoint": (
        "Waypost: endpoint",
        BY_ENDPOINT,
        [TENANTS, ENDPOINTS],
        _of('{tenant="$tenant", endpoint="$endpoint"}'),
    ),
    "receiver": ("Waypost: receiver", "For those who receive webhooks and read sources.", [], RECEIVER),
}


def dashboard(name: str) -> str:
    """Return a dashboard as JSON."""
    title, description, variables, rows = DASHBOARDS[name]
    source = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    made = {
        "uid": f"waypost-{name}",
        "title": title,
        "description": description,
        "tags": ["waypost"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *variables]},
        "panels": _laid_out(rows),
    }
    return json.dumps(made, indent=1) + "\n"


def _laid_out(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the panels with their places: statistics in one line, charts three in a line."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, content in rows:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place, "panels": []})
        y += 1
        for kind in ("stat", "timeseries"):
            chosen = [it for it in content if it.kind == kind]
            in_line = max(len(chosen), 1) if kind == "stat" else 3
            for begin in range(0, len(chosen), in_line):
                width = WIDTH // in_line
                for column, panel in enumerate(chosen[begin : begin + in_line]):
                    panels.append(panel.write(len(panels) + 1, column * width, y, width))
                y += HEIGHT[kind]
    return panels


def main() -> None:
    """Write all dashboards."""
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(dashboard(name))
        sys.stdout.write(f"{name}.json\n")


if __name__ == "__main__":
    main()
