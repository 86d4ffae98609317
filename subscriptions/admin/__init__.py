"""The operators' pages of the management side: they read, pause and resume, hand out keys, and rotate secrets.

A secret or a key is shown on the page that answers its making, which no browser keeps, and nowhere else.
"""

from subscriptions.admin.accounts import ApiKeyAdmin, PlanAdmin, TenantAdmin
from subscriptions.admin.browsing import Browsing
from subscriptions.admin.endpoints import EndpointAdmin, SubscriptionAdmin
from subscriptions.admin.event_types import EventTypeAdmin

__all__ = [
    "ApiKeyAdmin",
    "Browsing",
    "EndpointAdmin",
    "EventTypeAdmin",
    "PlanAdmin",
    "SubscriptionAdmin",
    "TenantAdmin",
]
