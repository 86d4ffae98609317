"""How what the management side keeps looks from outside. Ids are TypeIDs."""

from subscriptions.api.serializers.accounts import (
    KeyRotationSerializer,
    KeySerializer,
    NewKeySerializer,
    PlanSerializer,
    TenantSerializer,
)
from subscriptions.api.serializers.endpoints import (
    CreatedEndpointSerializer,
    EndpointSecretSerializer,
    EndpointSerializer,
    KeySetSerializer,
    NewEndpointSerializer,
    RotatedSerializer,
    RotationSerializer,
)
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer

__all__ = [
    "CreatedEndpointSerializer",
    "EndpointSecretSerializer",
    "EndpointSerializer",
    "KeyRotationSerializer",
    "KeySerializer",
    "KeySetSerializer",
    "NewEndpointSerializer",
    "NewKeySerializer",
    "PlanSerializer",
    "RotatedSerializer",
    "RotationSerializer",
    "SubscriptionSerializer",
    "TenantSerializer",
]
