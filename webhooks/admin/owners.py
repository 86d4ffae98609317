"""Show the tenant that owns a row of the receiver. Tenants are rows of another app, which may not be installed."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, TextField, Value
from django.utils.safestring import SafeString

from webhooks.kit.admin.display import NOTHING, link
from webhooks.kit.rest.lookup import models_by_prefix
from webhooks.wire.ids import public

TENANT = "tnt"  # prefix of the IDs of tenants


def with_owner_names(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate ``owner_name``, the name of the tenant, so that a list needs no query for each of its rows."""
    tenants: Any = models_by_prefix().get(TENANT)
    name: Any = Value("", output_field=TextField())
    if tenants is not None:
        named = tenants._default_manager.filter(pk=OuterRef("tenant_id")).values("name")
        name = Subquery(named[:1], output_field=TextField())
    found: QuerySet[Any] = rows.annotate(owner_name=name)
    return found


def owner_link(row: Any, without_tenant: str = NOTHING) -> SafeString | str:
    """Return a link to the tenant of a row with its name, or its ID where no page shows it.

    ``without_tenant``: what is returned if the row has none.

    Queries unless the row has an ``owner_name``.
    """
    key: UUID | None = row.tenant_id
    if key is None:
        return without_tenant
    tenants: Any = models_by_prefix().get(TENANT)
    if tenants is None or tenants not in admin.site._registry:
        return public(TENANT, key)
    if "owner_name" in row.__dict__:
        return link(tenants(pk=key), row.owner_name or public(TENANT, key))
    owner = tenants._default_manager.filter(pk=key).first()
    return public(TENANT, key) if owner is None else link(owner, str(owner))
