"""Publish the events of schedules that are all due in one second, or at 100 a second, among many that are not due."""

import math

from benchmarks.bench import Bench
from benchmarks.result import Check, Figure, Result

AHEAD = 3  # seconds until they are due, in which they are inserted
MAX_SECONDS = 60.0
TRICKLE, TRICKLE_SECONDS = 100, 10  # due per second, and for how long
AT_ONCE, ONE_BY_ONE = "bench.scheduled", "bench.trickled"  # types of their events
LATE = "lateness at 100/s, p99"
INSERT = """
INSERT INTO delivery_schedule (id, created_at, updated_at, tenant_id, "group", description, expression, timezone,
       flexible_window_minutes, state, action_after_completion, catch_up, template, next_at, due_at, occurrences,
       failures, last_error)
SELECT webhooks_uuid7(), now(), now(), t.id, 'default', '', %s, 'UTC', 0, 'active', 'none', 'latest',
       '{"type": "' || %s || '", "data": {"at": "<schedule.scheduled_at>"}}', at, at, 0, 0, ''
  FROM (SELECT id FROM subscriptions_tenant ORDER BY id LIMIT 1) t, generate_series(1, %s) n
 CROSS JOIN LATERAL (SELECT date_trunc('second', now()) + make_interval(secs => %s + n * %s) AS at) due"""
QUEUE = """
INSERT INTO delivery_schedulequeue (tenant_id, due_at, low_water_mark)
SELECT tenant_id, min(due_at), min(due_at) FROM delivery_schedule GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET due_at = excluded.due_at, low_water_mark = excluded.low_water_mark"""
PUBLISHED = "SELECT count(*) FROM delivery_event WHERE type = %s"
LATENESS = """
SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM created_at - at)),
       extract(epoch FROM max(created_at) - min(at))
  FROM (SELECT created_at, (convert_from(body, 'UTF8')::jsonb ->> 'time')::timestamptz AS at FROM delivery_event
         WHERE type = %s) e"""
EVENTS = "SELECT count(*), count(DISTINCT event_id) FROM delivery_event WHERE type = %s"


def due_at_once(bench: Bench) -> Result:
    """Publish the events of schedules that are due in the same second; nothing subscribes to them."""
    count, waiting = bench.size(10_000, 100_000), bench.size(20_000, 1_000_000)
    database = bench.deployment
    database.sql("TRUNCATE delivery_schedule, delivery_schedulequeue")
    database.sql(INSERT, "cron(0 9 1 1 ? 2199)", "bench.waiting", waiting, 10_000_000, 0)
    with bench.meter() as meter:
        _publish(bench, AT_ONCE, count, 0)
    _publish(bench, ONE_BY_ONE, TRICKLE * TRICKLE_SECONDS, 1 / TRICKLE)
    ((events, distinct),) = database.sql(EVENTS, AT_ONCE)
    ((_, seconds),) = database.sql(LATENESS, AT_ONCE)
    ((p99, _),) = database.sql(LATENESS, ONE_BY_ONE)
    checks = [Check("each occurrence is published once", events == distinct == count, f"{events} and {distinct}")]
    aim = Check(f"all published within {MAX_SECONDS:.0f} s", float(seconds) <= MAX_SECONDS, f"{float(seconds):.1f} s")
    more = {LATE: Figure(math.ceil(float(p99) * 1000), "ms")}
    notes = [f"{waiting:,} others were waiting"]
    return Result(
        count, count / float(seconds), None, meter.cost, checks, unit="events", aim=aim, notes=notes, more=more
    )


def _publish(bench: Bench, event_type: str, count: int, apart: float) -> None:
    """Let `count` schedules be due, `apart` seconds from each other, and wait until their events are published."""
    database = bench.deployment
    database.sql(INSERT, "rate(1 day)", event_type, count, AHEAD, apart)
    database.sql(QUEUE)
    bench.wait("events", lambda: int(database.sql(PUBLISHED, event_type)[0][0]), lambda published: published >= count)
