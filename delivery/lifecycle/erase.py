"""Erase an event's data for good, and keep the fact that the event was published.

The event keeps its attributes and loses its data; transformed bodies and recorded responses are removed, and its
unfinished deliveries are cancelled, also those being sent; a deferred fan-out is dropped. So it is with the invocation
records of its deliveries, which may repeat the data. The event records who erased it and when. Its digest stays, so
that a repeat is still recognised. Data that was delivered cannot be recalled.
"""

from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from delivery import telemetry
from delivery.lifecycle.cancel import cancel_deliveries
from delivery.models import Delivery, Event
from delivery.sql.attempts import delete_responses
from delivery.sql.fan_out import cancel_fan_out
from delivery.sql.schedules.delayed_events import cancel_waiting
from webhooks.wire.cloudevents.json_format import read_structured, write_structured


def erase(event: Event, by: str) -> bool:
    """Erase the event's data; return False if that was done before."""
    with transaction.atomic():
        # A replay locks its events before it creates deliveries: the ones it created before are found below.
        row = Event.objects.select_for_update(no_key=True).get(id=event.id)
        if row.payload_deleted_at is not None:
            return False
        row.body = write_structured(replace(read_structured(bytes(row.body)), data=None))
        row.payload_deleted_at, row.payload_deleted_by = timezone.now(), by
        row.warnings = row.original = None  # they quote the data
        row.save(update_fields=["body", "original", "payload_deleted_at", "payload_deleted_by", "warnings"])
        cancel_waiting(row.id, by)
        cancel_fan_out(row.id)  # after a slice that is being stored: its deliveries are found below
        deliveries = Delivery.objects.filter(event=row)
        cancel_deliveries(list(deliveries.values_list("id", flat=True)), by)
        deliveries.filter(body__isnull=False).update(body=None, form=None)
        delete_responses(row.id)
        for record in Event.objects.filter(about=row.id):
            erase(record, by)
    telemetry.payload_deleted(event.id, by)
    return True
