"""Show which masks apply to an event on its way to an endpoint, and what they make of it.

Masks of event types are applied when an event is published, so a stored event has them already. An endpoint that
receives events unmasked is shown the event as it is stored: what it gets is for its receiver only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from subscriptions.event_types.masks import masks_of
from subscriptions.masking.keys import endpoint_keys, tenant_keys
from subscriptions.masking.masks import compile_masks
from subscriptions.models import Endpoint
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.masking import CannotMask, MaskingKeys
from webhooks.wire.step_budget import StepBudget

EVENT_TYPE, ENDPOINT = "event_type", "endpoint"
OWNERS = (EVENT_TYPE, ENDPOINT)


@dataclass(frozen=True, slots=True)
class ShownMask:
    """Hold a mask, whose it is (EVENT_TYPE or ENDPOINT), and how many values of the event it was applied to."""

    path: str
    action: str
    by: str
    values: int = 0


class Masking(NamedTuple):
    """Name whose masks apply: those of a tenant's event types, and those of an endpoint."""

    tenant_id: UUID
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class ShapedEvent:
    """Hold an event as subscriptions match it (``matched``) and as the endpoint gets it (``sent``).

    ``error``: why it cannot be masked; empty: it can.
    """

    matched: Event
    sent: Event
    masks: Sequence[ShownMask] = field(default_factory=list)
    error: str = ""


def masks_for(endpoint: Endpoint, event_type: str) -> list[ShownMask]:
    """Return the masks that apply now to events of this type on their way to the endpoint."""
    of_type = () if endpoint.unmasked else masks_of(endpoint.tenant_id, event_type)
    shown = [ShownMask(it["path"], it["action"], EVENT_TYPE) for masks in of_type for it in masks.written]
    return [*shown, *(ShownMask(it["path"], it["action"], ENDPOINT) for it in endpoint.masks)]


def applies(masking: Masking, event: Event, *, is_stored: bool) -> bool:
    """Return whether there are masks for the event. ``is_stored``: those of its type are applied already."""
    of_type = not is_stored and masks_of(masking.tenant_id, event.attributes["type"])
    return bool(of_type or (masking.endpoint and masking.endpoint.masks))


def shape(masking: Masking, event: Event, budget: StepBudget, *, is_stored: bool) -> ShapedEvent:
    """Return what masks make of an event. Raises BudgetExceeded."""
    tenant_id, endpoint = masking.tenant_id, masking.endpoint
    original, shown = event, _Shown(budget)
    try:
        for it in () if is_stored else masks_of(tenant_id, event.attributes["type"]):
            keys = partial(tenant_keys, tenant_id, of_platform=it.of_platform)
            event = shown.apply(it.written, EVENT_TYPE, event, keys)
        if endpoint is None:
            return ShapedEvent(event, event, shown.masks)
        if endpoint.unmasked:
            shown.masks.clear()
        sent = original if endpoint.unmasked else event
        if endpoint.masks:
            sent = shown.apply(endpoint.masks, ENDPOINT, sent, partial(endpoint_keys, tenant_id, endpoint.pk))
    except CannotMask as error:
        return ShapedEvent(event, event, shown.masks, f"the data {error}")
    return ShapedEvent(event, sent, shown.masks)


class _Shown:
    """Apply masks, and count what each does."""

    def __init__(self, budget: StepBudget) -> None:
        self.masks: list[ShownMask] = []
        self._budget = budget

    def apply(self, written: Sequence[dict[str, Any]], by: str, event: Event, keys: Callable[[], MaskingKeys]) -> Event:
        """Return the event with these masks applied. Raises CannotMask and BudgetExceeded."""
        counts: dict[int, int] = {}
        masked = compile_masks(written).apply(event, keys, self._budget, counts)
        self.masks += [
            ShownMask(it["path"], it["action"], by, counts.get(place, 0)) for place, it in enumerate(written)
        ]
        return masked
