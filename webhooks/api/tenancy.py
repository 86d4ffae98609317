"""Find the tenant of a request: a tenant's key is limited to its own; an operator's key may name one, or mean all.

The receiver knows tenants by id only. An operator names one in the header ``Waypost-Tenant`` or as ``?tenant=``.
"""

from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from webhooks.wire.ids import parse

HEADER = "Waypost-Tenant"


def tenant_id_of(request: Request) -> UUID | None:
    """Return the tenant of this request, or None for all. Raises NotFound for another tenant than the key's own."""
    key: Any = request.auth
    own: UUID | None = key.tenant_id
    name = request.headers.get(HEADER) or request.query_params.get("tenant")
    if not name:
        return own
    try:
        wanted = parse("tnt", name)
    except ValueError as error:
        raise NotFound from error
    if own is not None and own != wanted:
        raise NotFound
    return wanted
