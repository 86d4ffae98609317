"""How what the management side keeps looks from outside. Ids are TypeIDs."""

from subscriptions.api.serializers.accounts import (
    KeyRotationSerializer,
    KeySerializer,
    KeyWithTextSerializer,
    PlanSerializer,
    TenantSerializer,
)
from subscriptions.api.serializers.endpoints import (
    EndpointCreateSerializer,
    EndpointSerializer,
    EndpointWithSecretSerializer,
    KeySetSerializer,
    SecretRotationResultSerializer,
    SecretRotationSerializer,
    SigningSecretSerializer,
)
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer

__all__ = [
    "EndpointCreateSerializer",
    "EndpointSerializer",
    "EndpointWithSecretSerializer",
    "KeyRotationSerializer",
    "KeySerializer",
    "KeySetSerializer",
    "KeyWithTextSerializer",
    "PlanSerializer",
    "SecretRotationResultSerializer",
    "SecretRotationSerializer",
    "SigningSecretSerializer",
    "SubscriptionSerializer",
    "TenantSerializer",
]
