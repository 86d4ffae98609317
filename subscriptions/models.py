"""Import every model of this app, for Django and for callers; each is defined beside its subject."""

from subscriptions.endpoints.destinations.models import DestinationSettings
from subscriptions.endpoints.http.models import HttpSettings
from subscriptions.endpoints.models import POLL, Endpoint, OAuthToken, SigningSecret
from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.inspectors.models import InspectedRequest, Inspector
from subscriptions.masking.models import MaskingSecret
from subscriptions.portal_access.models import Capability, PortalLink
from subscriptions.routing.grant_models import Grant
from subscriptions.routing.models import OPERATIONAL_NAMES, SUCCEEDED, Subscription
from subscriptions.tenants.models import ApiKey, Plan, Scope, StoredResponse, Tenant
from subscriptions.tenants.roles import Role
from webhooks.kit.rows import Row

__all__ = [
    "OPERATIONAL_NAMES",
    "POLL",
    "SUCCEEDED",
    "ApiKey",
    "Capability",
    "DestinationSettings",
    "Endpoint",
    "EventSchema",
    "EventType",
    "Grant",
    "HttpSettings",
    "InspectedRequest",
    "Inspector",
    "MaskingSecret",
    "OAuthToken",
    "Plan",
    "PortalLink",
    "Role",
    "Row",
    "Scope",
    "SigningSecret",
    "StoredResponse",
    "Subscription",
    "Tenant",
]
