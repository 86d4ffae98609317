"""What to do about an outcome: delivered, try again in so many seconds, or give up and why.

PURE. The table, first match wins (Standard Webhooks 1.0 "Handling failures"; CloudEvents webhook spec 2.2):

    2xx                delivered
    410                dead (gone), and the endpoint is switched off; if it has moved meanwhile, like everything else
    plan used up       dead (exhausted)
    429, timeout       the planned wait, at least 60 s; 429 also obeys Retry-After as a floor
    503, 502, 504      the planned wait; Retry-After is obeyed as a floor
    everything else    the planned wait
"""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.sending.backoff import wait_after
from delivery.transports.outcome import Failure, Outcome

__all__ = ["GONE", "Verdict", "judge"]

GONE = 410
TOO_MANY = 429
OBEYS_RETRY_AFTER = frozenset({TOO_MANY, 502, 503, 504})
BREATHER = 60.0  # seconds an endpoint that is overwhelmed is left alone, at least


@dataclass(frozen=True, slots=True)
class Verdict:
    """``state`` is the delivery's next state; ``wait`` (seconds) goes with ``pending``, ``cause`` with ``dead``."""

    state: str
    wait: float = 0.0
    cause: str = ""

    @property
    def is_dead(self) -> bool:
        return self.state == "dead"


DELIVERED = Verdict("delivered")


def judge(outcome: Outcome, *, step: int, plan: Sequence[int], jitter: float, moved: bool = False) -> Verdict:
    """``step``: failures so far under this plan. ``jitter``: a random number from 0 to 1. ``moved``: the endpoint has
    another address by now than the one that answered."""
    if outcome.acknowledged:
        return DELIVERED
    if outcome.status == GONE and not moved:
        return Verdict("dead", cause="gone")
    wait = wait_after(plan, step, jitter=jitter, at_least=_breather(outcome), asked=_asked(outcome))
    if wait is None:
        return Verdict("dead", cause="exhausted")
    return Verdict("pending", wait=wait)


def _breather(outcome: Outcome) -> float:
    overwhelmed = outcome.failure is Failure.TIMEOUT or outcome.status == TOO_MANY
    return BREATHER if overwhelmed else 0.0


def _asked(outcome: Outcome) -> float | None:
    return outcome.retry_after if outcome.status in OBEYS_RETRY_AFTER else None
