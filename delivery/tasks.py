"""List the provider's periodic tasks, and let running drains finish when their worker is stopped."""

from celery.signals import worker_init, worker_shutting_down

from delivery.alerts import evaluate, history, send
from delivery.broadcasting import broadcasts
from delivery.fan_out import deferred, delayed, shares
from delivery.figures import delivery_hours, measure, roll_up, usage_events
from delivery.lifecycle import erasures, retention, sweep, usage
from delivery.operational import publish_results
from delivery.replaying import closing, replays
from delivery.schedule import BEAT_SCHEDULE
from delivery.schedules import due
from delivery.sending import drain, shutdown
from delivery.sql.due import HAS_DRAIN_WORK
from delivery.sql.fan_out import HAS_FAN_OUTS
from delivery.sql.figures.backlog import HAS_BACKLOG
from delivery.sql.figures.delivery_hours import HAS_HOURS_TO_COUNT
from delivery.sql.figures.roll_up import HAS_HOURS_TO_ROLL_UP
from delivery.sql.figures.usage import HAS_INCREMENTS
from delivery.sql.figures.usage_hours import HAS_HOURS_TO_PUBLISH
from delivery.sql.recovery.claims import HAS_OLD_CLAIMS, HAS_RECOVERIES
from delivery.sql.results import HAS_PENDING_RESULTS
from delivery.sql.schedules.delayed_events import HAS_DUE_EVENTS
from delivery.sql.schedules.queues import HAS_DUE_SCHEDULES
from delivery.sql.sharing.shares import HAS_DUE_SHARES
from webhooks.encryption.check import with_keys
from webhooks.kit.periodic_task import periodic_task

PERIODIC_TASKS = [
    periodic_task("delivery.deliver_due", with_keys(drain.run_drain), BEAT_SCHEDULE, has_work=HAS_DRAIN_WORK),
    periodic_task("delivery.fan_out", deferred.run, BEAT_SCHEDULE, has_work=HAS_FAN_OUTS),
    periodic_task("delivery.publish_results", publish_results.run, BEAT_SCHEDULE, has_work=HAS_PENDING_RESULTS),
    periodic_task("delivery.share_events", shares.run, BEAT_SCHEDULE, has_work=HAS_DUE_SHARES),
    periodic_task("delivery.publish_schedules", due.run, BEAT_SCHEDULE, has_work=HAS_DUE_SCHEDULES),
    periodic_task("delivery.release_delayed", delayed.run, BEAT_SCHEDULE, has_work=HAS_DUE_EVENTS),
    periodic_task("delivery.recover", sweep.recover_recent, BEAT_SCHEDULE, has_work=HAS_RECOVERIES),
    periodic_task("delivery.recover_old", sweep.recover, BEAT_SCHEDULE, has_work=HAS_OLD_CLAIMS),
    periodic_task("delivery.replay_slices", replays.run_slices, BEAT_SCHEDULE, has_work=replays.HAS_RUNNING),
    periodic_task("delivery.broadcast_slices", broadcasts.run_slices, BEAT_SCHEDULE, has_work=broadcasts.HAS_RUNNING),
    periodic_task("delivery.dead_letter_slices", closing.run_slices, BEAT_SCHEDULE, has_work=closing.HAS_RUNNING),
    periodic_task("delivery.evaluate_alerts", evaluate.run, BEAT_SCHEDULE, has_work=evaluate.HAS_DUE_RULES),
    periodic_task("delivery.send_alerts", with_keys(send.run), BEAT_SCHEDULE, has_work=send.HAS_DUE_MESSAGES),
    periodic_task(
        "delivery.erasure_slices",
        erasures.run_slices,
        BEAT_SCHEDULE,
        has_work=erasures.HAS_RUNNING,
        is_operation=True,
    ),
    periodic_task("delivery.fold_usage", usage.fold, BEAT_SCHEDULE, has_work=HAS_INCREMENTS),
    periodic_task("delivery.sweep", sweep.sweep, BEAT_SCHEDULE, is_operation=True),
    periodic_task("delivery.delete_old_alerts", history.delete_old_alerts, BEAT_SCHEDULE, is_operation=True),
    periodic_task("delivery.apply_retention", retention.apply_retention, BEAT_SCHEDULE, is_operation=True),
    periodic_task("delivery.measure_backlog", measure.measure_if_due, BEAT_SCHEDULE, has_work=HAS_BACKLOG),
    periodic_task("delivery.roll_up_figures", roll_up.roll_up, BEAT_SCHEDULE, has_work=HAS_HOURS_TO_ROLL_UP),
    periodic_task(
        "delivery.count_deliveries", delivery_hours.count_deliveries, BEAT_SCHEDULE, has_work=HAS_HOURS_TO_COUNT
    ),
    periodic_task("delivery.publish_usage", usage_events.publish_usage, BEAT_SCHEDULE, has_work=HAS_HOURS_TO_PUBLISH),
]


@worker_init.connect
def begin_worker(**_: object) -> None:
    """Give this worker a stop flag of its own, before it forks: workers may be forks of one process themselves."""
    shutdown.renew_stop_flag()


@worker_shutting_down.connect
def stop_drains(**_: object) -> None:
    """Let running drains finish when the worker shuts down."""
    shutdown.request_stop()
