"""List the periodic tasks of the subscriptions app."""

from subscriptions.inspectors import inspectors
from subscriptions.portal_access import links
from subscriptions.schedule import BEAT_SCHEDULE
from subscriptions.tenants import idempotency
from webhooks.kit.periodic_task import periodic_task

PERIODIC_TASKS = [
    periodic_task("subscriptions.sweep", idempotency.delete_expired, BEAT_SCHEDULE),
    periodic_task(
        "subscriptions.delete_expired_inspectors", inspectors.delete_expired, BEAT_SCHEDULE, is_operation=True
    ),
    periodic_task("subscriptions.delete_expired_portal_links", links.delete_expired, BEAT_SCHEDULE, is_operation=True),
]
