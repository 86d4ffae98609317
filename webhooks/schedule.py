"""Say how often the periodic tasks of the receiver run: ``app.conf.beat_schedule = BEAT_SCHEDULE`` in any Celery app.

Imported where the Celery app is created, so before Django is set up: it imports no model.
"""

from webhooks.kit.periodic_task import beat_schedule

BEAT_SCHEDULE = beat_schedule(
    {
        "webhooks.process_due": 1,
        "webhooks.read_sources": 1,
        "webhooks.replay_receipts": 2,
        "webhooks.sweep": 60,
        "webhooks.delete_expired_audit": 600,
        "webhooks.record_key_looks": 300,
    }
)
