"""Limit the work that one event may cause, counted in steps.

A step is about 0.1 us of CPU time: 6,000 to 25,000 steps were measured in a millisecond, for all kinds of patterns with
CPython 3.11. Steps do not depend on the load of the machine, as a clock does, so the same event exceeds the same budget
everywhere and always.
"""

UNLIMITED_STEPS = 2**62  # more than ten thousand years of CPU time


class BudgetExceeded(Exception):
    """The work costs more steps than its budget has. Nothing is wrong with the event or the pattern."""


class StepBudget:
    """Count steps down from ``steps``. One budget may cover many patterns, events and transformers.

    ``can_wait``: whether the work may wait for another process; if not, it exceeds the budget where it would have to.
    """

    __slots__ = ("can_wait", "remaining", "steps")

    def __init__(self, steps: float, *, can_wait: bool = True) -> None:
        self.steps = self.remaining = steps
        self.can_wait = can_wait

    @property
    def spent(self) -> float:
        """Return the steps spent so far; more than ``steps`` after the budget was exceeded."""
        return self.steps - self.remaining

    def spend(self, steps: int) -> None:
        """Take steps from the budget, before the work that they stand for. Raises BudgetExceeded."""
        self.remaining -= steps
        if self.remaining < 0:
            raise BudgetExceeded


UNLIMITED = StepBudget(UNLIMITED_STEPS)  # where nothing is counted; what is spent of it means nothing
