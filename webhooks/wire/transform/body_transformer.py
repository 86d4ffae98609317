"""Define what every transformer has, whatever its language."""

from typing import Any, Protocol

from webhooks.wire.step_budget import StepBudget


class BodyTransformer(Protocol):
    """Render the body of a delivery. ``content_type``: of what it renders; None: it follows from that."""

    @property
    def content_type(self) -> str | None:
        """Return the content type that was set."""

    def render(self, event: dict[str, Any], budget: StepBudget | None = None) -> bytes:
        """Render the body for this event. Raises Unrenderable and BudgetExceeded."""
