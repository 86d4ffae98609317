"""Why a subscription did not bring an event to its endpoint: the first reason that alone would have been enough.

It judges by the subscription as it is now. What it was when the event came is not kept, so a subscription that wants
the event today and was changed since says just that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from subscriptions.models import Subscription
from subscriptions.routing.compiled_patterns import pattern_of
from subscriptions.routing.route_table import names_for
from webhooks.wire.patterns import PatternMismatch

__all__ = ["Reason", "why_not"]


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is a word for programs, ``detail`` a sentence for people; ``mismatches`` say where a pattern and the
    event part, if that is the reason."""

    code: str
    detail: str
    subscription: Subscription | None = None
    mismatches: tuple[PatternMismatch, ...] = ()


def why_not(
    subscription: Subscription, event_type: str, document: Callable[[], dict[str, Any]], taken_at: datetime
) -> Reason:
    """The reason for an event of this type that was taken at this moment."""
    if not set(subscription.event_types).intersection(names_for(event_type)):
        wanted = ", ".join(subscription.event_types[:5]) + (", ..." if len(subscription.event_types) > 5 else "")
        return Reason("type", f"It wants other types ({wanted}) than {event_type}.", subscription)
    mismatches = () if subscription.pattern is None else pattern_of(subscription.pattern).explain(document())
    if mismatches:
        where = ", ".join(it.path or "the event" for it in mismatches[:3])
        return Reason("pattern", f"Its pattern does not match, at {where}.", subscription, tuple(mismatches))
    if not subscription.active:
        return Reason("inactive", "It is switched off.", subscription)
    if subscription.created_at > taken_at:
        return Reason("created_later", "It would match, and was made after the event was taken.", subscription)
    if subscription.updated_at > taken_at:
        return Reason("changed_later", "It matches now, and was changed after the event was taken.", subscription)
    return Reason("unknown", "It matches now; what kept it from matching then is not on record.", subscription)
