"""Publish the events of schedules that are all due in one second, among many that are not due."""

import math

from benchmarks.bench import Bench
from benchmarks.result import Check, Figure, Result

AHEAD = 3  # seconds until they are due, in which they are inserted
MAX_SECONDS = 60.0
INSERT = """
INSERT INTO delivery_schedule (id, created_at, updated_at, tenant_id, "group", description, expression, timezone,
       flexible_window_minutes, state, action_after_completion, catch_up, template, next_at, due_at, occurrences,
       failures, last_error)
SELECT delivery_uuid7(), now(), now(), t.id, 'default', '', %s, 'UTC', 0, 'active', 'none', 'latest',
       '{"type": "bench.scheduled", "data": {"at": "<schedule.scheduled_at>"}}', at, at, 0, 0, ''
  FROM (SELECT id FROM subscriptions_tenant ORDER BY id LIMIT 1) t, generate_series(1, %s),
       (SELECT date_trunc('second', now()) + make_interval(secs => %s) AS at) due"""
QUEUE = """
INSERT INTO delivery_schedulequeue (tenant_id, due_at, low_water_mark)
SELECT tenant_id, min(due_at), min(due_at) FROM delivery_schedule GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET due_at = excluded.due_at, low_water_mark = excluded.low_water_mark"""
PUBLISHED = "SELECT count(*) FROM delivery_schedule WHERE occurrences > 0"
LATENESS = """
SELECT percentile_cont(%s) WITHIN GROUP (ORDER BY extract(epoch FROM e.created_at - s.last_at)),
       extract(epoch FROM max(e.created_at) - min(s.last_at))
  FROM delivery_event e, (SELECT min(last_at) AS last_at FROM delivery_schedule) s WHERE e.type = 'bench.scheduled'"""
EVENTS = "SELECT count(*), count(DISTINCT event_id) FROM delivery_event WHERE type = 'bench.scheduled'"


def due_at_once(bench: Bench) -> Result:
    """Publish the events of schedules that are due in the same second; nothing subscribes to them."""
    count, waiting = bench.size(10_000, 100_000), bench.size(20_000, 1_000_000)
    database = bench.deployment
    database.sql("TRUNCATE delivery_schedule, delivery_schedulequeue")
    database.sql(INSERT, "cron(0 9 1 1 ? 2199)", waiting, 10_000_000)
    with bench.meter() as meter:
        database.sql(INSERT, "rate(1 day)", count, AHEAD)
        database.sql(QUEUE)
        bench.wait("schedules", lambda: int(database.sql(PUBLISHED)[0][0]), lambda published: published >= count)
    ((events, distinct),) = database.sql(EVENTS)
    ((p99, seconds),) = database.sql(LATENESS, 0.99)
    checks = [Check("each occurrence is published once", events == distinct == count, f"{events} and {distinct}")]
    aim = Check(f"all published within {MAX_SECONDS:.0f} s", float(seconds) <= MAX_SECONDS, f"{float(seconds):.1f} s")
    more = {"lateness p99": Figure(math.ceil(float(p99) * 1000), "ms")}
    notes = [f"{waiting:,} others were waiting"]
    return Result(
        count, count / float(seconds), None, meter.cost, checks, unit="events", aim=aim, notes=notes, more=more
    )
