"""Count by endpoint and by subscription what became of the deliveries that were created in an hour.

Sending writes nothing for this: the counts are made from deliveries and attempts, seventy minutes after the end of the
hour, and once more after four days, when retries have ended. A delivery has no column for the subscription that it was
created for, so that is found again: by endpoint and event type if only one subscription of the endpoint names the type,
and otherwise by comparing the events with the patterns, of the oldest subscription first, as routing does. It is found
among the subscriptions as they are at that time; at the second pass among those that the first one found. A delivery
of none (a forced replay, the result of another) counts for its endpoint only.

A process that dies leaves a tenant uncounted, and the next one counts it. Costs 10 to 20 us for each delivery and pass
in the database, and 50 us for each that has to be compared with patterns.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from delivery import telemetry
from delivery.models import CountedHour, DeliveryHour
from delivery.reading.queries import place
from delivery.sql.figures.delivery_hours import (
    Counted,
    CountedDelivery,
    HourOfTenant,
    HourToCount,
    count_by_type,
    count_each,
    finish_pass,
    insert_hours,
    move_on,
    next_hour,
    next_tenant,
    write_hours,
)
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.compiled_patterns import compile_pattern
from subscriptions.routing.type_names import matching_names
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.patterns import InvalidPattern, Pattern
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

HOUR = timedelta(hours=1)
KEPT_FOR = timedelta(days=62)  # as the other hours
RUN_SECONDS = 5.0  # after which a run ends with the tenant that it counts
PAGE = 100  # deliveries that are read with the bodies of their events at once
MAX_COMPARED = 200_000  # deliveries of a tenant and hour that are compared with patterns; further ones count for no one
MATCHING_STEPS = 1_000_000  # of comparing one event with the patterns of an endpoint
BOUNDS = [round(2 ** (step / 2)) for step in range(58)]  # milliseconds from 1 to four days; the last takes longer ones


@dataclass(slots=True)
class HourCounts:
    """Count the deliveries of one endpoint or subscription. ``by_type``: created ones by endpoint and type."""

    created: int = 0
    attempts: int = 0
    retries: int = 0
    throttled: int = 0
    failed: int = 0
    delivered: int = 0
    dead: int = 0
    first_attempts: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    deliveries: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    by_type: dict[tuple[str, UUID], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, it: Counted) -> None:
        """Count deliveries."""
        self.created += it.created
        self.attempts += it.attempts
        self.retries += it.retries
        self.throttled += it.throttled
        self.failed += it.failed
        self.delivered += it.delivered
        self.dead += it.dead
        self.by_type[it.type, it.endpoint_id] += it.created
        for histogram, bucket in ((self.first_attempts, it.first_attempt), (self.deliveries, it.delivery)):
            if bucket >= 0:
                histogram[bucket] += it.created

    @property
    def matched(self) -> int:
        """Events that deliveries were created of: one that goes to several endpoints counts once."""
        most: dict[str, int] = defaultdict(int)
        for (name, _), created in self.by_type.items():
            most[name] = max(most[name], created)
        return sum(most.values())


def count_deliveries(*, seconds: float = RUN_SECONDS) -> int:
    """Count hours that are due, for so many seconds; return how many tenants were counted."""
    until, count = time.monotonic() + seconds, 0
    insert_hours()
    while time.monotonic() <= until and (hour := next_hour()) is not None:
        tenant_id = next_tenant(hour)
        if tenant_id is None:
            finish_pass(hour)
            continue
        count += _try_tenant(hour, tenant_id)
    for kind in (DeliveryHour, CountedHour):
        kind.objects.filter(begins_at__lt=timezone.now() - KEPT_FOR).delete()
    return count


def _try_tenant(hour: HourToCount, tenant_id: UUID) -> bool:
    """Count the deliveries of a tenant; a failure leaves it out of this pass, so that others are counted."""
    try:
        return count_tenant(hour, tenant_id)
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        telemetry.deliveries_not_counted(tenant_id, error)
        move_on(hour, tenant_id)
        return False


def count_tenant(hour: HourToCount, tenant_id: UUID) -> bool:
    """Count the deliveries of a tenant that were created in an hour; return False if another process does."""
    end = hour.begins_at + HOUR
    counts = _counts(HourOfTenant(tenant_id, place(hour.begins_at), place(end), BOUNDS), hour)
    with transaction.atomic():
        if not move_on(hour, tenant_id):
            return False
        write_hours(tenant_id, hour.begins_at, [_row(key, it) for key, it in counts.items()])
    return True


def _counts(of: HourOfTenant, hour: HourToCount) -> dict[UUID, HourCounts]:
    """Return the counts by id of the endpoint, and by id of the subscription."""
    found: dict[UUID, HourCounts] = defaultdict(HourCounts)
    takers = _Takers(of.tenant, _known(of.tenant, hour.begins_at) if hour.passes else None)
    unclear: dict[tuple[UUID, str], list[Subscription]] = {}
    for it in count_by_type(of):
        found[it.endpoint_id].add(it)
        possible = takers.of(it.endpoint_id, it.type)
        if len(possible) == 1:
            found[possible[0].id].add(it)
        elif possible:
            unclear[it.endpoint_id, it.type] = possible
    for each in _each(of, list(unclear)) if unclear else ():
        counted = each.counted
        if each.body is None:
            continue
        taker = takers.first_match(unclear[counted.endpoint_id, counted.type], bytes(each.body))
        if taker is not None:
            found[taker].add(counted)
    return found


def _each(of: HourOfTenant, groups: Sequence[tuple[UUID, str]]) -> Iterator[CountedDelivery]:
    """Return the deliveries to the endpoints of these groups, page by page."""
    for _ in range(MAX_COMPARED // PAGE):
        page = count_each(of, groups, PAGE)
        yield from page
        if len(page) < PAGE:
            return
        of = of._replace(first_key=UUID(int=page[-1].id.int + 1))


def _known(tenant_id: UUID, hour: datetime) -> set[UUID]:
    rows = DeliveryHour.objects.filter(tenant_id=tenant_id, begins_at=hour)
    return set(rows.values_list("scope_id", flat=True))


class _Takers:
    """The subscriptions of a tenant, or those of them with these ids, by what they may receive."""

    def __init__(self, tenant_id: UUID, known: set[UUID] | None) -> None:
        rows = Subscription.objects.filter(tenant=tenant_id).order_by("id")
        self._rows = list(rows.filter(active=True) if known is None else rows.filter(id__in=known))
        self._labels = dict(Endpoint.objects.filter(tenant=tenant_id).values_list("id", "labels"))
        self._patterns: dict[UUID, Pattern | None] = {}

    def of(self, endpoint_id: UUID, event_type: str) -> list[Subscription]:
        """Return the subscriptions that may have received this type for the endpoint, the oldest first.

        Those to events that another tenant shares are left out if the tenant has others for the type.
        """
        names = set(matching_names(event_type))
        labels = self._labels.get(endpoint_id, {})
        possible = [it for it in self._rows if names.intersection(it.event_types) and _is_to(it, endpoint_id, labels)]
        return [it for it in possible if it.grant_id is None] or possible

    def first_match(self, possible: Iterable[Subscription], body: bytes) -> UUID | None:
        """Return the first of these subscriptions whose pattern matches the event; None: none does."""
        try:
            document, budget = read_structured(body).document(), StepBudget(MATCHING_STEPS)
            return next((it.id for it in possible if self._matches(it, document, budget)), None)
        except (BudgetExceeded, InvalidEvent):
            return None

    def _matches(self, it: Subscription, document: dict[str, object], budget: StepBudget) -> bool:
        if it.pattern is None:
            return True
        if it.id not in self._patterns:
            try:
                self._patterns[it.id] = compile_pattern(it.pattern)
            except InvalidPattern:
                self._patterns[it.id] = None
        pattern = self._patterns[it.id]
        return pattern is not None and pattern.matches(document, budget)


def _is_to(it: Subscription, endpoint_id: UUID, labels: dict[str, str]) -> bool:
    if it.endpoint_id is not None:
        return it.endpoint_id == endpoint_id
    return (it.endpoint_labels or {}).items() <= labels.items()


def _row(scope_id: UUID, it: HourCounts) -> Sequence[object]:
    counts = (it.matched, it.created, it.attempts, it.retries, it.throttled, it.failed, it.delivered, it.dead)
    return (scope_id, *counts, _array(it.first_attempts), _array(it.deliveries))


def _array(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
