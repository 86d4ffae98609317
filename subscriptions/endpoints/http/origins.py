"""Limit a tenant's endpoints per origin (scheme, host and port).

Every event goes to every endpoint subscribed to it, so a hundred endpoints at one host turn one event into a hundred
requests to that host. The limit does not apply to IP addresses inside WAYPOST_ALLOW_NETWORKS: they belong to the
operator.
"""

from django.conf import settings

from subscriptions.errors import Invalid
from subscriptions.models import HttpSettings, Tenant
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse


def origin_of(url: str) -> str:
    """Return the normalized scheme, host and port of a URL, or an empty string if it is invalid."""
    try:
        return parse(url, allow_http=True).origin
    except ForbiddenAddress:
        return ""


def check_endpoints_per_origin(row: HttpSettings) -> None:
    """Check that the tenant has at most WAYPOST_ENDPOINTS_PER_ORIGIN endpoints at the origin of this one.

    Raises Invalid for ``url``. Call after writing the row, in the same transaction: the tenant is locked until the
    commit, so a concurrent writer waits and then counts this row too.
    """
    maximum = settings.WAYPOST_ENDPOINTS_PER_ORIGIN
    if not maximum or not row.origin or _is_in_allowed_network(parse(row.url, allow_http=True)):
        return
    tenant_id = row.endpoint.tenant_id
    Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=tenant_id)
    rows = HttpSettings.objects.filter(origin=row.origin, endpoint__tenant=tenant_id, endpoint__deleted_at=None)
    if rows.count() > maximum:
        raise Invalid("url", f"This host already has {maximum} endpoints, the maximum for one host. Use another host.")


def _is_in_allowed_network(target: ParsedUrl) -> bool:
    networks = compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS))
    return target.is_literal and networks.contains(target.host)
