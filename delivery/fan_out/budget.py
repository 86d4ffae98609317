"""Bound what the fan-out of events costs: in a request, which defers what costs more, and in a slice of a worker.

Three things are counted: steps of matching and rendering (``webhooks.wire.step_budget``), deliveries, and bytes of
rendered bodies. Steps have two limits in a request: for one event, and for each tenant per second in each process, so
that a tenant's expensive events take a share of the process and not all of it.
"""

import time
from uuid import UUID

from django.conf import settings

from delivery.models import DeferredFanOut
from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.kit.rate_limit import RateLimit
from webhooks.wire.step_budget import StepBudget

MAX_REQUEST_DELIVERIES = 10_000  # deliveries that the events of one transaction may create
MAX_REQUEST_BYTES = 8 * 1024**2  # rendered bytes of the events of one transaction, all in memory at once
MAX_TENANTS = 10_000  # rate limits that one process remembers

# Limits of one slice. The steps are about 50 ms of CPU.
SLICE_STEPS = 500_000
SLICE_DELIVERIES = 1_000
SLICE_BYTES = 4 * 1024**2  # rendered; the last body may exceed it
SLICE_EVENT_BYTES = 4 * 1024**2  # of events in memory; the last one may exceed it

STEPS_PER_DELIVERY = 20  # creating a row for an endpoint
PARSED_BYTES_PER_STEP = 25  # of data that is parsed for the key of a delivery
HASHED_BYTES_PER_STEP = 50  # of data that is sent as a reference

Reason = DeferredFanOut.Reason


class FanOutDeferred(Exception):
    """The event is accepted, but a worker has to create its deliveries. ``reason``: a DeferredFanOut.Reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestBudget:
    """Count what the events of one transaction of a tenant cost, and defer those that would cost too much."""

    def __init__(self, tenant_id: UUID) -> None:
        self.steps = StepBudget(0, can_wait=False)  # of the current event
        self._rate = _rate_of(tenant_id)
        self._available = self._steps_at_start = self._rate.tokens(time.monotonic())
        self._max_steps = settings.WAYPOST_FAN_OUT_STEPS
        self._max_deliveries, self._max_bytes = settings.WAYPOST_FAN_OUT_DELIVERIES, settings.WAYPOST_FAN_OUT_BYTES
        self._deliveries, self._bytes = MAX_REQUEST_DELIVERIES, MAX_REQUEST_BYTES
        self._event_deliveries = self._event_bytes = 0

    def start_event(self) -> None:
        """Start counting the next event. Raises FanOutDeferred if the tenant has no steps left."""
        if self._available <= 0:
            raise FanOutDeferred(Reason.RATE)
        self.steps = StepBudget(min(self._max_steps, self._available), can_wait=False)
        self._event_deliveries = min(self._max_deliveries, self._deliveries)
        self._event_bytes = min(self._max_bytes, self._bytes)

    def check_deliveries(self, count: int) -> None:
        """Raise FanOutDeferred if the event has more deliveries than it may have."""
        if count > self._event_deliveries:
            raise FanOutDeferred(Reason.DELIVERIES)

    def add_rendered(self, size: int) -> None:
        """Count the bytes of a rendered body. Raises FanOutDeferred beyond the limit."""
        self._event_bytes -= size
        if self._event_bytes < 0:
            raise FanOutDeferred(Reason.BYTES)

    def exceeded(self) -> FanOutDeferred:
        """Return the error for an event that has used up its steps."""
        return FanOutDeferred(Reason.RATE if self.steps.steps < self._max_steps else Reason.STEPS)

    def end_event(self) -> None:
        """Count the steps of the event, also if it was deferred: they were spent."""
        self._available -= self.steps.spent

    def keep(self, deliveries: int, rendered: int) -> None:
        """Count the deliveries of an event that is routed, and the bytes of their bodies."""
        self._deliveries -= deliveries
        self._bytes -= rendered

    def close(self) -> None:
        """Take the steps of all events from the tenant's rate."""
        self._rate.spend(int(self._steps_at_start - self._available), time.monotonic())


class SliceBudget:
    """Count what a slice costs. It ends after the step that exceeds it, so that every slice makes progress."""

    def __init__(self, steps: float, deliveries: float, rendered_bytes: float) -> None:
        self.steps, self.deliveries, self.bytes = steps, deliveries, rendered_bytes

    @property
    def is_used(self) -> bool:
        """Return whether the slice has to end."""
        return self.steps <= 0 or self.deliveries <= 0 or self.bytes <= 0

    def spend(self, *, steps: float = 0, deliveries: int = 0, rendered: int = 0) -> None:
        """Count work that was done. ``rendered``: bytes."""
        self.steps -= steps
        self.deliveries -= deliveries
        self.bytes -= rendered


def slice_budget(max_deliveries: int = SLICE_DELIVERIES) -> SliceBudget:
    """Return the budget of one slice of a deferred fan-out or of a replay."""
    return SliceBudget(SLICE_STEPS, min(max_deliveries, SLICE_DELIVERIES), SLICE_BYTES)


_rates = BoundedCache[RateLimit](MAX_TENANTS)


def _rate_of(tenant_id: UUID) -> RateLimit:
    """Return the rate limit of a tenant's steps: those of one second may be spent at once."""
    per_second = float(settings.WAYPOST_FAN_OUT_STEPS_PER_SECOND)
    rate = _rates.get(tenant_id)
    if rate is None or rate.per_second != per_second:
        rate = RateLimit(per_second, max_burst=per_second)
        _rates.put(tenant_id, rate)
    return rate
