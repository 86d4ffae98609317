"""Find the tenant that a native request names: among those this process has seen lately, else by a query on a thread.

The rules and errors are those of ``tenancy``.
"""

from rest_framework.exceptions import NotFound

from subscriptions.api.tenancy import UnknownTenant
from subscriptions.models import ApiKey, Tenant
from subscriptions.tenants.keys import share_of
from subscriptions.tenants.tenants import find_named, is_named, peek_named
from webhooks.kit.fair.shared_queries import SharedQueries

_queries: SharedQueries[str, Tenant | None] = SharedQueries(find_named)


async def named_tenant(key: ApiKey, name: str) -> Tenant:
    """Return the tenant with this id or uid. Raises UnknownTenant, and NotFound for another one than the key's own."""
    if key.tenant is not None:
        if not is_named(key.tenant, name):
            raise NotFound
        return key.tenant
    tenant, is_recent = peek_named(name)
    if not is_recent:
        tenant = await _queries.run(name, share_of(key))
    if tenant is None:
        raise UnknownTenant(name)
    return tenant
