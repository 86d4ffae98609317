"""Whose sources: a tenant's key sees its own, an operator's key sees all, or those of the tenant it names.

The receiver knows tenants by id only. An operator names one in the header ``Waypost-Tenant`` or as ``?tenant=``.
"""

from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from webhooks.wire.ids import parse

HEADER = "Waypost-Tenant"


def tenant_id_of(request: Request) -> UUID | None:
    """The tenant this request is about; None: all. Raises NotFound for any other than the key's own."""
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
