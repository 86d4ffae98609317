"""Say how often the periodic tasks of subscriptions run. Imports no model, like ``webhooks.schedule``."""

from webhooks.kit.periodic_task import beat_schedule

BEAT_SCHEDULE = beat_schedule(
    {
        "subscriptions.sweep": 60,
        "subscriptions.delete_expired_inspectors": 300,
        "subscriptions.delete_expired_portal_links": 3600,
    }
)
