"""Route events that were published with ``deliver_at`` when their time comes; cancel them before.

Such an event is stored like any other, without deliveries. When its time has come, its fan-out is deferred to the
workers, which create its deliveries in turns among tenants, by the subscriptions as they are then.
"""

from delivery.models import DelayedEvent, Event
from delivery.notify import fan_out_starter
from delivery.sql.schedules import delayed_events as sql

BATCH = 1_000  # events in one statement


def run() -> int:
    """Defer the fan-out of the events whose time has come to the workers; return how many."""
    total = 0
    while count := sql.release_due(BATCH):
        total += count
        fan_out_starter.notify()
    return total


def cancel_event(event: Event, by: str) -> bool:
    """Cancel an event that waits for its time; return False if it does not. ``by`` is stored with it."""
    return sql.cancel_waiting(event.id, by[:256])


def is_cancelled(event: Event) -> bool:
    """Return whether an event was cancelled before its time."""
    return DelayedEvent.objects.filter(event=event.pk, state=DelayedEvent.State.CANCELLED).exists()
