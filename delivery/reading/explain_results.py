"""Explain what the results of an event's deliveries became, and why an invocation record was sent to an endpoint."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import orjson

from delivery.models import Delivery, Event, PendingResult
from delivery.operational.operational_events import SOURCE
from subscriptions.models import Endpoint
from subscriptions.routing.explain import NoMatchReason
from subscriptions.routing.type_names import RESULTS
from webhooks.wire.ids import parse

MAX_RECORDS = 1_000  # of one event, that an explanation looks at


def explain_results(event: Event, deliveries: Iterable[Delivery]) -> dict[UUID, NoMatchReason]:
    """Return, by delivery, where its result is: published as a record, or pending; without those that have none."""
    keys = [it.id for it in deliveries]
    if not keys:
        return {}
    found: dict[UUID, NoMatchReason] = {}
    for row in Event.objects.filter(about=event.id, tenant=event.tenant_id).order_by("id")[:MAX_RECORDS]:
        if (delivery_id := _delivery_of(row)) is not None:
            found[delivery_id] = NoMatchReason("result", f"Its invocation record is {row.public_id}, of {row.type}.")
    for delivery_id in PendingResult.objects.filter(delivery__in=keys).values_list("delivery_id", flat=True):
        found[delivery_id] = NoMatchReason("result_pending", "Its invocation record is to be published by a worker.")
    return found


def explain_named(event: Event, endpoints: Sequence[Endpoint]) -> dict[UUID, NoMatchReason]:
    """Return why endpoints get this event without a subscription, if it is a record: which endpoint names them."""
    if event.type not in RESULTS or event.source != SOURCE or event.about is None:
        return {}
    name = "on_success" if event.type.endswith(".succeeded") else "on_failure"
    key = _data(event).get("endpoint")
    if key is None:
        return {}
    reason = NoMatchReason("named", f"{key} names the endpoint as {name}.")
    rows = Endpoint.objects.filter(id=parse(Endpoint.prefix, key), tenant=event.tenant_id)
    named = set(rows.values_list(name, flat=True))
    return {it.id: reason for it in endpoints if it.id in named}


def _delivery_of(record: Event) -> UUID | None:
    text = _data(record).get("delivery")
    return None if text is None else parse(Delivery.prefix, text)


def _data(record: Event) -> dict[str, str]:
    """Return the data of a record; empty if it was erased."""
    data: dict[str, str] = orjson.loads(bytes(record.body)).get("data") or {}
    return data
