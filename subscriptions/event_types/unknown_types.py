"""Decide what happens to an event whose type is not in the catalogue: it is accepted, with a warning, or refused.

A tenant decides, or the platform (WAYPOST_UNKNOWN_EVENT_TYPES). No statement is executed (``known_types``).
"""

from django.conf import settings

from subscriptions.event_types.known_types import is_known, resembling
from subscriptions.models import Tenant
from webhooks.wire.errors import InvalidEvent

ACCEPT, REFUSE = Tenant.UnknownEventTypes.ACCEPT.value, Tenant.UnknownEventTypes.REFUSE.value


def check_known(tenant: Tenant, name: str) -> str:
    """Return the warning about the type of an event; empty: none. Raises InvalidEvent if the event is refused."""
    policy = tenant.unknown_event_types or settings.WAYPOST_UNKNOWN_EVENT_TYPES
    if policy == ACCEPT or is_known(tenant.pk, name):
        return ""
    meant = resembling(tenant.pk, name)
    reason = f"is not in the catalogue of event types{f'; {meant}' if meant else ''}"
    if policy == REFUSE:
        raise InvalidEvent("type", reason, code="unknown")
    return f"The type {reason}"
