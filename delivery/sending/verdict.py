"""Decide what an outcome means for a delivery: delivered, retry after so many seconds, or dead and why.

PURE. The table, first match wins. Which response means what is decided by the transport (see ``Outcome``):

    delivered          delivered
    gone               dead (cause responded_410), and the endpoint is disabled; the drain then dead-letters its
                       pending deliveries. Not if its address has changed: then as everything else
    final              dead (cause body_not_object): a retry would send the same body
    plan used up       dead (cause exhausted)
    everything else    pending: the planned wait, but not less than the outcome's retry_after (`Retry-After`)

A retry plan is a list of waits in seconds, one after each failure, with jitter. Random numbers are passed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.models import DeadLetter, Delivery
from delivery.transports.outcome import Outcome

MINUTE, HOUR = 60, 3600

# The example schedule of Standard Webhooks 1.0: ten attempts over 75 h 35 min. Seconds.
DEFAULT_PLAN = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)

JITTER = 0.2  # part of the wait, to either side, so that the retries of one outage do not come back as one wave

PENDING, DEAD = Delivery.State.PENDING.value, Delivery.State.DEAD.value
BODY_NOT_OBJECT = DeadLetter.Cause.BODY_NOT_OBJECT.value
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
    if outcome.is_final:
        return Verdict(DEAD, cause=BODY_NOT_OBJECT)
    wait = wait_after(plan, step, jitter=jitter, retry_after=outcome.retry_after)
    if wait is None:
        return Verdict(DEAD, cause=EXHAUSTED)
    return Verdict(PENDING, wait=wait)


def planned_wait(plan: Sequence[int], step: int, jitter: float) -> float | None:
    """Return the seconds to wait after failure number ``step`` (from 0), or None if the plan is used up.

    ``jitter`` is a random number from 0 to 1.
    """
    if step >= len(plan):
        return None
    return plan[step] * (1 + JITTER * (2 * jitter - 1))


def wait_after(plan: Sequence[int], step: int, *, jitter: float, retry_after: float | None = None) -> float | None:
    """Return the planned wait in seconds, but not less than ``retry_after``; None if the plan is used up.

    ``retry_after`` (`Retry-After`, in seconds) is obeyed up to the sum of the waits that are left in the plan, so that
    no endpoint can put a delivery off for longer than its plan lasts.
    """
    wait = planned_wait(plan, step, jitter)
    if wait is None:
        return None
    return max(wait, min(retry_after or 0.0, float(sum(plan[step:]))))
