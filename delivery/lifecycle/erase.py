"""Remove what one event says, for good, and keep that it happened.

The event keeps its attributes and loses its data; what a transformer made of it and what its endpoints answered go
too. Whatever is still owed of it is cancelled, also what is being sent at the moment. Who did it and when stays on the
event; its digest stays, so that a repeat is still told apart. What has arrived, has arrived.
"""

from django.db import transaction
from django.utils import timezone

from delivery import telemetry
from delivery.lifecycle import control
from delivery.models import Delivery, Event
from delivery.sql.retention import delete_responses
from webhooks.wire.cloudevents.event import Event as CloudEvent
from webhooks.wire.cloudevents.json_format import read_structured, write_structured

__all__ = ["expunge"]


def expunge(event: Event, by: str) -> bool:
    """False: it had been done before."""
    with transaction.atomic():
        # Locked against replays, which lock the events they owe: what they owed before is seen below.
        row = Event.objects.select_for_update(no_key=True).get(id=event.id)
        if row.expunged_at is not None:
            return False
        row.body = write_structured(CloudEvent.of(read_structured(bytes(row.body)).attributes))
        row.expunged_at, row.expunged_by = timezone.now(), by
        row.warnings = None  # they quote what does not fit
        row.save(update_fields=["body", "expunged_at", "expunged_by", "warnings"])
        owed = Delivery.objects.filter(event=row)
        control.cancel_all(list(owed.values_list("id", flat=True)), by)
        owed.filter(body__isnull=False).update(body=None)
        delete_responses(row.id)
    telemetry.expunged(event.id, by)
    return True
