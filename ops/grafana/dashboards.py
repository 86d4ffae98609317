"""List the dashboards: each has rows, and a row has panels."""

from typing import Any

from panels import Panel, areas, lines, quantiles, rate, stat, variable

Row = tuple[str, list[Panel]]

BY_TENANT = "WAYPOST_METRICS_BY=tenant (or endpoint) gives the metrics the label that this dashboard needs."
BY_ENDPOINT = "WAYPOST_METRICS_BY=endpoint gives the metrics the labels that this dashboard needs."

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
            lines(
                "Archive",
                "s",
                ("max(waypost_archive_failing_seconds)", "cannot be written"),
                ("max(waypost_archive_behind_seconds)", "behind"),
            ),
            lines("Evaluation of alert rules", "s", ("max(waypost_alert_evaluation_late_seconds)", "late")),
        ],
    ),
]


def deliveries(where: str) -> list[Row]:
    """Return the rows about deliveries; ``where``: the labels that choose them, in braces."""
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

TENANTS = variable("tenant", "label_values(waypost_attempts_total, tenant)")
ENDPOINTS = variable("endpoint", 'label_values(waypost_attempts_total{tenant="$tenant"}, endpoint)')
# File: title, description, variables, rows.
DASHBOARDS: dict[str, tuple[str, str, list[dict[str, Any]], list[Row]]] = {
    "platform": ("Waypost: platform", "For the operators of the platform.", [], PLATFORM),
    "tenant": ("Waypost: tenant", BY_TENANT, [TENANTS], deliveries('{tenant="$tenant"}')),
    "endpoint": (
        "Waypost: endpoint",
        BY_ENDPOINT,
        [TENANTS, ENDPOINTS],
        deliveries('{tenant="$tenant", endpoint="$endpoint"}'),
    ),
    "receiver": ("Waypost: receiver", "For those who receive webhooks and read sources.", [], RECEIVER),
}
