"""Mask published events as their event types say, from the snapshot of the event types in memory (``schema_check``).

Where the platform and the tenant have a type of the same name the masks of both apply, the platform's first: a tenant
cannot take away what the platform masks.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q

from subscriptions.event_types.json_schema.schema_check import MAX_CACHED_CHECKS, current_snapshot
from subscriptions.event_types.models import EventType
from subscriptions.masking.keys import tenant_keys
from subscriptions.masking.masks import MAX_STEPS, TOO_COSTLY, compile_masks
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.masking import CannotMask
from webhooks.wire.step_budget import BudgetExceeded, StepBudget


@dataclass(frozen=True, slots=True)
class TypeMasks:
    """Hold the masks of one event type as they are written; ``of_platform``: it is not the tenant's own."""

    written: list[dict[str, Any]]
    of_platform: bool


def masks_of(tenant_id: UUID, name: str) -> tuple[TypeMasks, ...]:
    """Return the masks that apply to a tenant's events of this type; empty if there are none."""
    snapshot = current_snapshot()
    if name not in snapshot.masked:
        return ()
    key = (tenant_id, name)
    if key not in snapshot.masks:
        if len(snapshot.masks) >= MAX_CACHED_CHECKS:
            snapshot.masks.clear()
        rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), name=name).exclude(masks=[])
        found = [TypeMasks(row.masks, row.tenant_id is None) for row in rows]
        snapshot.masks[key] = tuple(sorted(found, key=lambda it: not it.of_platform))
    found_masks: tuple[TypeMasks, ...] = snapshot.masks[key]
    return found_masks


def apply_masks(tenant_id: UUID, event: Event, masks: tuple[TypeMasks, ...]) -> Event:
    """Return the event masked. Raises InvalidEvent if that is not possible: nothing is published unmasked."""
    budget = StepBudget(MAX_STEPS)
    try:
        for it in masks:
            keys = partial(tenant_keys, tenant_id, of_platform=it.of_platform)
            event = compile_masks(it.written).apply(event, keys, budget)
    except CannotMask as error:
        raise InvalidEvent("data", str(error)) from None
    except BudgetExceeded:
        raise InvalidEvent("data", TOO_COSTLY) from None
    return event
