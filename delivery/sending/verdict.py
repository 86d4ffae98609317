"""Decide what an outcome means for a delivery: delivered, retry after so many seconds, or dead and why.

PURE. The table, first match wins. Which response means what is decided by the transport (see ``Outcome``):

    delivered          delivered
    gone               dead (cause responded_410), and the endpoint is disabled; the drain then dead-letters its
                       pending deliveries. Not if its address has changed: then as everything else
    plan used up       dead (cause exhausted)
    everything else    pending: the planned wait, but not less than the outcome's retry_after (`Retry-After`)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.models import DeadLetter, Delivery
from delivery.sending.backoff import wait_after
from delivery.transports.outcome import Outcome

PENDING, DEAD = Delivery.State.PENDING.value, Delivery.State.DEAD.value
RESPONDED_410, EXHAUSTED = DeadLetter.Cause.RESPONDED_410.value, DeadLetter.Cause.EXHAUSTED.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold the delivery's next ``state``; ``wait`` (seconds) goes with ``pending``, ``cause`` with ``dead``."""

    state: str
    wait: float = 0.0
    cause: str = ""


DELIVERED = Verdict(Delivery.State.DELIVERED.value)


def judge(outcome: Outcome, *, step: int, plan: Sequence[int], jitter: float, moved: bool = False) -> Verdict:
    """Return the verdict on an outcome.

    ``step``: failures so far under this plan. ``jitter``: a random number from 0 to 1. ``moved``: the endpoint's
    address has changed since the attempt was made.
    """
    if outcome.delivered:
        return DELIVERED
    if outcome.gone and not moved:
        return Verdict(DEAD, cause=RESPONDED_410)
    wait = wait_after(plan, step, jitter=jitter, retry_after=outcome.retry_after)
    if wait is None:
        return Verdict(DEAD, cause=EXHAUSTED)
    return Verdict(PENDING, wait=wait)
