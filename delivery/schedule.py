"""Say how often the periodic tasks of a project with the provider run: those of all three apps.

    app.conf.beat_schedule = BEAT_SCHEDULE        in any Celery app; {**BEAT_SCHEDULE, ...} with tasks of its own

Imported where the Celery app is created, so before Django is set up: it imports no model.
"""

from subscriptions.schedule import BEAT_SCHEDULE as SUBSCRIPTIONS
from webhooks.kit.periodic_task import beat_schedule
from webhooks.schedule import BEAT_SCHEDULE as RECEIVER

BEAT_SCHEDULE = {
    **beat_schedule({"delivery.deliver_due": 1}, queue="delivery"),
    **beat_schedule(
        {
            "delivery.fan_out": 1,
            "delivery.publish_results": 1,
            "delivery.share_events": 1,
            "delivery.publish_schedules": 1,
            "delivery.release_delayed": 1,
            "delivery.recover": 2,
            "delivery.replay_slices": 2,
            "delivery.broadcast_slices": 2,
            "delivery.erasure_slices": 2,
            "delivery.dead_letter_slices": 2,
            "delivery.fold_usage": 10,
            "delivery.measure_backlog": 10,
            "delivery.recover_old": 60,
            "delivery.roll_up_figures": 60,
            "delivery.publish_usage": 60,
            "delivery.count_deliveries": 60,
            "delivery.evaluate_alerts": 2,
            "delivery.send_alerts": 2,
            "delivery.sweep": 60,
            "delivery.delete_old_alerts": 600,
            "delivery.apply_retention": 60,
        }
    ),
    **SUBSCRIPTIONS,
    **RECEIVER,
}
