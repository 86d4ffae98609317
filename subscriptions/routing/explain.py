"""Explain why a subscription did not route an event to its endpoint: the first reason that alone is sufficient.

The subscription is evaluated as it is now, since earlier versions are not stored. If it matches today but was created
or changed after the event was accepted, that is the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.compiled_patterns import compile_pattern
from subscriptions.routing.type_names import matching_names
from webhooks.wire.patterns import PatternMismatch
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

MAX_TYPES_SHOWN, MAX_PATHS_SHOWN = 5, 3


@dataclass(frozen=True, slots=True)
class NoMatchReason:
    """Hold a reason: ``code`` for programs, ``detail`` for people, and where pattern and event differ."""

    code: str
    detail: str
    subscription: Subscription | None = None
    mismatches: tuple[PatternMismatch, ...] = ()


def is_subscribed(subscription: Subscription, endpoint: Endpoint) -> bool:
    """Return whether the subscription is one of this endpoint's: by name, or by the labels that it selects."""
    if subscription.endpoint_labels is None:
        return subscription.endpoint_id == endpoint.pk
    wanted = subscription.endpoint_labels.items()
    return subscription.tenant_id == endpoint.tenant_id and wanted <= endpoint.labels.items()


def explain_mismatch(
    subscription: Subscription,
    event_type: str,
    document: Callable[[], dict[str, Any]],
    accepted_at: datetime,
    budget: StepBudget,
) -> NoMatchReason:
    """Return the reason for an event of this type, accepted at this time. ``document`` returns the event.

    Once the budget is used, the reason of a pattern is that it was not compared.
    """
    if not set(subscription.event_types).intersection(matching_names(event_type)):
        types = subscription.event_types
        shown = ", ".join(types[:MAX_TYPES_SHOWN]) + (", ..." if len(types) > MAX_TYPES_SHOWN else "")
        return NoMatchReason("type", f"Subscribed types {shown} do not include {event_type}.", subscription)
    try:
        mismatches = _mismatches(subscription, document, budget)
    except BudgetExceeded:
        detail = "Not compared: the patterns cost too much at once. Explain one endpoint, or test the subscription."
        return NoMatchReason("not_compared", detail, subscription)
    if mismatches:
        paths = ", ".join(it.path or "the event" for it in mismatches[:MAX_PATHS_SHOWN])
        return NoMatchReason("pattern", f"The pattern does not match at {paths}.", subscription, tuple(mismatches))
    if not subscription.active:
        return NoMatchReason("inactive", "The subscription is not active.", subscription)
    if subscription.created_at > accepted_at:
        detail = "The subscription matches, but was created after the event was accepted."
        return NoMatchReason("created_later", detail, subscription)
    if subscription.updated_at > accepted_at:
        detail = "The subscription matches now, but was changed after the event was accepted."
        return NoMatchReason("changed_later", detail, subscription)
    return NoMatchReason("unknown", "The subscription matches now; the earlier reason is not recorded.", subscription)


def _mismatches(
    subscription: Subscription, document: Callable[[], dict[str, Any]], budget: StepBudget
) -> Sequence[PatternMismatch]:
    """Return why the pattern does not match; empty if it does. Raises BudgetExceeded."""
    return () if subscription.pattern is None else compile_pattern(subscription.pattern).explain(document(), budget)
