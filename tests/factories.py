"""Create the smallest valid rows of the provider, with the rows they belong to unless those are given."""

from itertools import count
from typing import Any

from rest_framework.test import APIClient

from subscriptions.endpoints.http.encrypted_fields import FIELDS as ENCRYPTED
from subscriptions.endpoints.http.encrypted_fields import EncryptedFields, to_columns
from subscriptions.event_types import registry
from subscriptions.event_types.models import EventType
from subscriptions.models import ApiKey, Endpoint, HttpSettings, Plan, Scope, SigningSecret, Subscription, Tenant
from subscriptions.tenants.keys import create_key
from webhooks.kit.encryption import encrypt
from webhooks.wire.signing.keys import new_secret, public_key_of

URL = "https://example.com/webhooks"
HTTP_COLUMNS = {column.name for column in HttpSettings._meta.concrete_fields}

_numbers = count(1)


def make_tenant(**changes: Any) -> Tenant:
    return Tenant.objects.create(**{"name": f"Tenant {next(_numbers)}", **changes})


def make_plan(**changes: Any) -> Plan:
    """Create a plan with only these limits."""
    return Plan.objects.create(**{"name": f"Plan {next(_numbers)}", **changes})


def make_key(tenant: Tenant | None = None, *scopes: str, **changes: Any) -> tuple[ApiKey, str]:
    """Create a key, a platform key without a tenant; return it with its text. All scopes unless some are given."""
    return create_key(tenant, scopes or ([] if changes.get("role") else Scope.values), **changes)


def make_client(tenant: Tenant | None = None, *scopes: str) -> APIClient:
    """Return a client with a new key, as ``make_key`` creates it."""
    return client_with(make_key(tenant, *scopes)[1])


def client_with(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def make_secret(endpoint: Endpoint, text: str | None = None, **changes: Any) -> str:
    """Create a secret of the endpoint, current unless it expires; return its text."""
    text = text or new_secret()
    public_key = public_key_of(text) if text.startswith("whsk_") else ""
    SigningSecret.objects.create(endpoint=endpoint, ciphertext=encrypt(text), public_key=public_key, **changes)
    return text


def make_endpoint(tenant: Tenant | None = None, *, secret: str | None = None, **changes: Any) -> Endpoint:
    if confidential := {name: changes.pop(name) for name in ENCRYPTED if name in changes}:
        changes |= to_columns(EncryptedFields(**confidential))
    http = {name: changes.pop(name) for name in [*changes] if name in HTTP_COLUMNS}
    endpoint = Endpoint.objects.create(tenant=tenant or make_tenant(), **changes)
    HttpSettings.objects.create(endpoint=endpoint, **{"url": URL, **http})
    make_secret(endpoint, secret)
    return endpoint


def make_subscription(endpoint: Endpoint | None = None, **changes: Any) -> Subscription:
    """Create a subscription to all events."""
    endpoint = endpoint or make_endpoint()
    return Subscription.objects.create(tenant=endpoint.tenant, endpoint=endpoint, **{"event_types": ["*"], **changes})


def make_event_type(tenant: Tenant | None = None, **changes: Any) -> EventType:
    """Create a type without a schema, of the deployment unless a tenant is given."""
    return registry.create(tenant, {"name": f"type.{next(_numbers)}", **changes}, by_operator=True)
