"""The smallest valid things of the provider: each call makes one, and what it belongs to if that is not given."""

from itertools import count
from typing import Any

from rest_framework.test import APIClient

from subscriptions.endpoints.encrypted_fields import FIELDS, EncryptedFields, to_columns
from subscriptions.event_types import registry
from subscriptions.event_types.models import EventType
from subscriptions.models import ApiKey, Endpoint, Plan, Scope, SigningSecret, Subscription, Tenant
from subscriptions.tenants.keys import create_key
from webhooks.kit.encryption import encrypt
from webhooks.wire.signing.standard_webhooks import new_secret, public_key_of

URL = "https://example.com/webhooks"

_numbers = count(1)


def make_tenant(**changes: Any) -> Tenant:
    return Tenant.objects.create(**{"name": f"Tenant {next(_numbers)}", **changes})


def make_plan(**changes: Any) -> Plan:
    """A plan that limits nothing but what is said here."""
    return Plan.objects.create(**{"name": f"Plan {next(_numbers)}", **changes})


def make_key(tenant: Tenant | None = None, *scopes: str, **changes: Any) -> tuple[ApiKey, str]:
    """A key and its text, with all scopes unless some are given; without a tenant an operator's."""
    return create_key(tenant, scopes or Scope.values, **changes)


def make_client(tenant: Tenant | None = None, *scopes: str) -> APIClient:
    """Somebody who holds such a key."""
    return client_with(make_key(tenant, *scopes)[1])


def client_with(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def make_secret(endpoint: Endpoint, text: str | None = None, **changes: Any) -> str:
    """A secret of the endpoint, and its text; the current one unless it expires."""
    text = text or new_secret()
    public_key = public_key_of(text) if text.startswith("whsk_") else ""
    SigningSecret.objects.create(endpoint=endpoint, ciphertext=encrypt(text), public_key=public_key, **changes)
    return text


def make_endpoint(tenant: Tenant | None = None, *, secret: str | None = None, **changes: Any) -> Endpoint:
    if given := {name: changes.pop(name) for name in FIELDS if name in changes}:
        changes |= to_columns(EncryptedFields(**given))
    endpoint = Endpoint.objects.create(tenant=tenant or make_tenant(), **{"url": URL, **changes})
    make_secret(endpoint, secret)
    return endpoint


def make_subscription(endpoint: Endpoint | None = None, **changes: Any) -> Subscription:
    """To everything, unless changed."""
    endpoint = endpoint or make_endpoint()
    return Subscription.objects.create(tenant=endpoint.tenant, endpoint=endpoint, **{"event_types": ["*"], **changes})


def make_event_type(tenant: Tenant | None = None, **changes: Any) -> EventType:
    """A type without a schema; the deployment's, if no tenant is given."""
    return registry.create(tenant, {"name": f"type.{next(_numbers)}", **changes}, by_operator=True)
