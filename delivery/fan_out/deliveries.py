"""Create one delivery for each route that matches an event (fan-out).

    create_deliveries   all at once, within the budget of a request: publishing
    next_deliveries     the next ones, as many as a slice allows: deferred fan-outs, replays of past events

The bytes of a delivery are fixed here: transformed, masked, a reference, or (no body) those of the event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from delivery.fan_out.budget import (
    HASHED_BYTES_PER_STEP,
    PARSED_BYTES_PER_STEP,
    STEPS_PER_DELIVERY,
    RequestBudget,
    SliceBudget,
)
from delivery.fan_out.masking import Original, body_of, encrypt_body, event_for, form_of, is_shaped, no_original
from delivery.fan_out.order_keys import order_key
from delivery.fan_out.references import reference_body, wants_reference
from delivery.models import Delivery
from subscriptions.routing.route_table import Route, RouteTable
from subscriptions.routing.type_names import matching_names, shared_type
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.http_modes import STRUCTURED
from webhooks.wire.ids import new_id
from webhooks.wire.step_budget import UNLIMITED_STEPS, BudgetExceeded, StepBudget
from webhooks.wire.transform import Unrenderable

MAX_SLICE_ROUTES = 2_000  # subscriptions that one slice looks at where it cannot use the index


class RoutedEvent:
    """An event to route, with what is computed from it once for all of its deliveries.

    ``expires_at``: unix seconds until when the event is kept, and a link to its data is valid. ``grant_id``: the grant
    that has shared it, if it is another tenant's. ``type`` is that by which its routes are found. ``original``: returns
    the event before it was masked, if endpoints may get it.
    """

    def __init__(
        self,
        tenant_id: UUID,
        key: UUID,
        event: Event,
        expires_at: int,
        grant_id: UUID | None = None,
        *,
        original: Original = no_original,
    ) -> None:
        self.tenant_id = tenant_id
        self.key = key
        self.event = event
        self.original = original
        self.type = shared_type(grant_id, event.attributes["type"])
        self.expires_at = expires_at

    @cached_property
    def _document(self) -> dict[str, Any]:
        return self.event.document()

    def document(self) -> dict[str, Any]:
        """Return the event as patterns and transformers see it."""
        return self._document

    @property
    def is_parsed(self) -> bool:
        """Whether the document was made already."""
        return "_document" in self.__dict__

    @cached_property
    def data_digest(self) -> str:
        """The SHA-256 of the data, in hex."""
        return sha256(self.event.data or b"").hexdigest()


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery that is not stored yet. With a ``reason`` its transformation failed: it is dead from the start.

    ``form``: what its own body is (``Delivery.Form``).
    """

    key: UUID
    endpoint_id: UUID
    order_key: str | None = None
    body: bytes | None = None
    content_type: str | None = None
    reason: str | None = None
    form: Delivery.Form | None = None

    @property
    def state(self) -> Delivery.State:
        """Pending, or dead if the transformation failed."""
        return Delivery.State.PENDING if self.reason is None else Delivery.State.DEAD

    @property
    def rendered(self) -> int:
        """The bytes of its own body."""
        return 0 if self.body is None else len(self.body)


class NextDeliveries(NamedTuple):
    """Deliveries of an event, and the subscription after which the next ones begin; None: these are the last."""

    deliveries: list[NewDelivery]
    after: UUID | None


def create_deliveries(routes: RouteTable, event: RoutedEvent, budget: RequestBudget) -> list[NewDelivery]:
    """Return a delivery for each matching route. Raises FanOutDeferred if that would exceed the budget."""
    budget.start_event()
    try:
        budget.check_deliveries(routes.count_without_pattern(event.type))
        found = routes.find(event.type, event.document, budget=budget.steps)
        budget.check_deliveries(len(found))
        budget.steps.spend(STEPS_PER_DELIVERY * len(found))
        new, rendered = [], 0
        for route in found:
            delivery = _new_delivery(route, event, budget.steps)
            if delivery.body is not None:
                budget.add_rendered(delivery.rendered)
                rendered += delivery.rendered
            new.append(delivery)
        budget.keep(len(new), rendered)
        return new
    except BudgetExceeded:
        raise budget.exceeded() from None
    finally:
        budget.end_event()


def next_deliveries(
    routes: RouteTable,
    event: RoutedEvent,
    after: UUID | None,
    budget: SliceBudget,
    *,
    endpoint_id: UUID | None = None,
) -> NextDeliveries:
    """Return the deliveries for routes after this subscription, until the budget is used; at least one is looked at.

    An endpoint may appear in several slices, once in each: only the first delivery counts. ``endpoint_id``: only the
    route to this endpoint.
    """
    if endpoint_id is None:
        found, last = _next_routes(routes, event, after, budget)
    else:
        found, last = _routes_to(endpoint_id, routes, event, budget), None
    new: list[NewDelivery] = []
    for number, route in enumerate(found, start=1):
        counted = StepBudget(UNLIMITED_STEPS)
        new.append(_new_delivery(route, event, counted))
        budget.spend(steps=counted.spent + STEPS_PER_DELIVERY, deliveries=1, rendered=new[-1].rendered)
        if budget.is_used and number < len(found):
            return NextDeliveries(new, route.subscription_id)
    return NextDeliveries(new, last)


def named_deliveries(routes: Sequence[Route], event: RoutedEvent, budget: SliceBudget) -> list[NewDelivery]:
    """Return the deliveries for routes that need no subscription; there are few, so a slice has all of them."""
    new = []
    for route in routes:
        counted = StepBudget(UNLIMITED_STEPS)
        new.append(_new_delivery(route, event, counted))
        budget.spend(steps=counted.spent + STEPS_PER_DELIVERY, deliveries=1, rendered=new[-1].rendered)
    return new


def _next_routes(
    routes: RouteTable, event: RoutedEvent, after: UUID | None, budget: SliceBudget
) -> tuple[list[Route], UUID | None]:
    """Return matching routes in the order of their subscriptions, and where the next slice begins.

    All at once by the index of the table, if that takes at most a quarter of the budget; else piece by piece.
    """
    if routes.count_without_pattern(event.type) <= MAX_SLICE_ROUTES:
        counted = StepBudget(budget.steps // 4)
        try:
            found = routes.find(event.type, event.document, budget=counted)
            remaining = [it for it in found if after is None or it.subscription_id > after]
            return sorted(remaining, key=lambda it: it.subscription_id), None
        except BudgetExceeded:
            pass
        finally:
            budget.spend(steps=counted.spent)
    counted = StepBudget(max(budget.steps, 0))
    piece = routes.find_slice(event.type, event.document, after=after, size=MAX_SLICE_ROUTES, budget=counted)
    budget.spend(steps=counted.spent)
    return piece.routes, piece.after


def _routes_to(endpoint_id: UUID, routes: RouteTable, event: RoutedEvent, budget: SliceBudget) -> list[Route]:
    """Return the route to this endpoint if one matches: that of its oldest matching subscription."""
    names = set(matching_names(event.type))
    counted = StepBudget(UNLIMITED_STEPS)
    try:
        for entry in sorted(routes.of_endpoint(endpoint_id), key=lambda it: it.route.subscription_id):
            pattern = entry.route.pattern
            if names.isdisjoint(entry.event_types):
                continue
            if pattern is None or pattern.matches(event.document(), counted):
                return [entry.route]
        return []
    finally:
        budget.spend(steps=counted.spent)


def unsubscribed_delivery(route: Route, event: RoutedEvent) -> NewDelivery:
    """Return the delivery of an event to an endpoint whether or not a subscription matches (``snapshot.route_to``)."""
    return _new_delivery(route, event, StepBudget(UNLIMITED_STEPS))


def _new_delivery(route: Route, event: RoutedEvent, steps: StepBudget) -> NewDelivery:
    key = _order_key(route, event, steps)
    if wants_reference(route, event.event):
        if "data_digest" not in event.__dict__:
            steps.spend(len(event.event.data or b"") // HASHED_BYTES_PER_STEP)
        body = reference_body(event.event, event.key, route.endpoint_id, event.expires_at, event.data_digest)
        return NewDelivery(new_id(), route.endpoint_id, key, body, content_type=STRUCTURED)
    if is_shaped(route):
        return _shaped(route, event, key, steps)
    if route.transformer is None:
        return NewDelivery(new_id(), route.endpoint_id, key)
    try:
        body = route.transformer.render(event.document(), steps)
        return NewDelivery(new_id(), route.endpoint_id, key, body, route.transformer.content_type)
    except Unrenderable as error:
        return NewDelivery(new_id(), route.endpoint_id, reason=str(error))


def _shaped(route: Route, event: RoutedEvent, key: str | None, steps: StepBudget) -> NewDelivery:
    """Return the delivery to an endpoint that gets the event masked for it, or not masked."""
    try:
        chosen, is_encrypted = event_for(route, event.tenant_id, event.event, event.original, steps)
        if route.transformer is not None:
            body = route.transformer.render(chosen.document(), steps)
            form = form_of(is_event=False, is_encrypted=is_encrypted)
            stored = encrypt_body(body) if is_encrypted else body
            return NewDelivery(new_id(), route.endpoint_id, key, stored, route.transformer.content_type, form=form)
        if chosen is event.event:
            return NewDelivery(new_id(), route.endpoint_id, key)
        form = form_of(is_event=True, is_encrypted=is_encrypted)
        return NewDelivery(new_id(), route.endpoint_id, key, body_of(chosen, is_encrypted=is_encrypted), form=form)
    except Unrenderable as error:
        return NewDelivery(new_id(), route.endpoint_id, reason=str(error))


def _order_key(route: Route, event: RoutedEvent, steps: StepBudget) -> str | None:
    if not (route.ordering or route.latest_only):
        return None
    if route.latest_only and route.latest_only.startswith("$") and not event.is_parsed:
        steps.spend(len(event.event.data or b"") // PARSED_BYTES_PER_STEP)
    return order_key(route.ordering, route.latest_only, event.event, event.document)
