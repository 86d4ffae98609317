"""Look at what the provider's alert rules watch, one file for each condition.

A new one is a file here and a line below. A condition runs every few seconds: it reads counters, small tables and
partial indexes, each with a bound, and never a large table. What a tenant can watch has its texts in German, too, for
the portal (``delivery/locale/de``); a test names those that are missing.
"""

from delivery.alerts.conditions import (
    circuit_open,
    dead_letters,
    endpoint_disabled,
    endpoint_failing,
    events_silent,
    expiring,
    latency,
    oldest_due,
    plan_limit,
    schedule_late,
    success_rate,
)
from delivery.alerts.conditions.platform_parts import archive, broker, database, disk, processes, workers

CONDITIONS = [
    endpoint_failing.CONDITION,
    endpoint_disabled.CONDITION,
    circuit_open.CONDITION,
    dead_letters.CONDITION,
    oldest_due.CONDITION,
    success_rate.CONDITION,
    latency.CONDITION,
    events_silent.CONDITION,
    plan_limit.CONDITION,
    schedule_late.CONDITION,
    expiring.CONDITION,
    workers.CONDITION,
    broker.CONDITION,
    database.CONDITION,
    disk.CONDITION,
    archive.CONDITION,
    processes.CONDITION,
]
