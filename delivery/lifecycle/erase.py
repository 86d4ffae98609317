"""Erase an event's data for good, and keep the fact that the event was published.

The event keeps its attributes and loses its data; transformed bodies, keys that order its deliveries, indexed values
and recorded responses are removed, and its unfinished deliveries are cancelled, also those being sent; a deferred
fan-out is dropped. So it is with its copies in tenants that it is shared with, and with the invocation records of its
deliveries, which may repeat the data. The event records who erased it and when. Its digest stays, so that a repeat is
still recognised. Data that was delivered cannot be recalled.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from delivery import telemetry
from delivery.lifecycle.cancel import cancel_deliveries
from delivery.models import DeadLetter, Delivery, Event, PendingResult
from delivery.publishing.publish_receipt import HOP_COUNT
from delivery.sql.archiving.rows import ArchivedEvent
from delivery.sql.attempts import delete_responses
from delivery.sql.fan_out import cancel_fan_out
from delivery.sql.finding.event_values import delete_values
from delivery.sql.schedules.delayed_events import cancel_waiting
from webhooks.kit.tenancy import events_erased
from webhooks.wire.cloudevents.event import Event as CloudEvent
from webhooks.wire.cloudevents.json_format import read_structured, write_structured

KEPT = ("specversion", "id", "source", "type", "time")  # attributes that say which event it is


def erase(event: Event, by: str, *, replaced: tuple[str, str] | None = None) -> bool:
    """Erase the event's data; return False if that was done before, or if retention has deleted the event.

    ``replaced``: a subject, and what is written in its place, also where another attribute has it as its value.
    """
    with transaction.atomic():
        # A replay locks its events before it creates deliveries: the ones it created before are found below.
        row = Event.objects.select_for_update(no_key=True).filter(id=event.id).first()
        if row is None:
            return False
        kept = without_data(bytes(row.body), replaced)
        if replaced is not None:
            row.subject = kept.attributes.get("subject")
        row.body = write_structured(kept)
        if row.payload_deleted_at is not None:
            row.save(update_fields=["subject", "body"])
            return False
        row.payload_deleted_at, row.payload_deleted_by = timezone.now(), by
        row.warnings = row.original = None  # they quote the data
        row.save(update_fields=["subject", "body", "original", "payload_deleted_at", "payload_deleted_by", "warnings"])
        cancel_waiting(row.id, by)
        cancel_fan_out(row.id)  # after a slice that is being stored: its deliveries are found below
        deliveries = Delivery.objects.filter(event=row)
        cancel_deliveries(list(deliveries.values_list("id", flat=True)), by)
        deliveries.filter(Q(body__isnull=False) | Q(order_key__isnull=False)).update(
            body=None, form=None, order_key=None
        )
        for kind in (DeadLetter, PendingResult):
            kind.objects.filter(delivery__in=deliveries).exclude(reason="").update(reason="")
        delete_responses(row.id)
        delete_values([row.id])
        for related in Event.objects.filter(about=row.id):
            erase(related, by, replaced=replaced)
    telemetry.payload_deleted(event.id, by)
    return True


def erase_receipts(tenant_id: UUID, events: Sequence[Event | ArchivedEvent]) -> int:
    """Erase the receipts that these events were published from; return how many. Call in a transaction.

    ``events``: as they were before they were erased.
    """
    names = [(it.source, it.event_id) for it in events if HOP_COUNT in read_structured(bytes(it.body)).attributes]
    results = events_erased.send(sender=None, tenant_id=tenant_id, names=names) if names else ()
    return sum(int(count or 0) for _, count in results)


def without_data(body: bytes, replaced: tuple[str, str] | None) -> CloudEvent:
    """Return the event of a body as it is kept: without its data, and with another subject as ``erase`` writes it."""
    kept = replace(read_structured(body), data=None)
    return kept if replaced is None else _without(kept, *replaced)


def _without(event: CloudEvent, subject: str, replacement: str) -> CloudEvent:
    """Return the event with another value where an attribute has this one, but for those that identify it."""
    changed = {name: replacement for name, value in event.attributes.items() if value == subject and name not in KEPT}
    return replace(event, attributes={**event.attributes, **changed})
