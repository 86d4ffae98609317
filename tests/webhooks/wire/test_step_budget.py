"""Check that a budget counts steps and ends."""

import pytest

from webhooks.wire.step_budget import BudgetExceeded, StepBudget


def test_budget_can_be_spent_to_the_last_step() -> None:
    budget = StepBudget(10)
    budget.spend(4)
    budget.spend(6)
    assert (budget.spent, budget.remaining) == (10, 0)


def test_budget_that_is_exceeded_raises_at_every_further_step() -> None:
    budget = StepBudget(1)
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            budget.spend(2)
