"""Limit a tenant's endpoints per origin (scheme, host and port), and reject Waypost's own address.

Every event goes to every endpoint subscribed to it, so a hundred endpoints at one host turn one event into a hundred
requests to that host. Addresses inside the networks that the operator allows belong to the operator and are not
counted. Waypost's own address is rejected unless allowed, since a delivery that is received and published again would
go round for ever. Under another name it is not recognised; for that, events count their hops
(delivery.publishing.publish_receipt).
"""

from django.conf import settings

from subscriptions.errors import Invalid
from subscriptions.models import HttpSettings, Tenant
from webhooks.wire.addresses.guard import ForbiddenAddress, ParsedUrl, compile_networks, parse


def origin_of(url: str) -> str:
    """Return the normalized scheme, host and port; empty for an invalid URL."""
    try:
        return parse(url, allow_http=True).origin
    except ForbiddenAddress:
        return ""


def is_own_address(url: str) -> bool:
    """Return whether the URL has the host and port of PUBLIC_URL, and WAYPOST_ALLOW_SELF does not allow that."""
    if settings.WAYPOST_ALLOW_SELF:
        return False
    try:
        own, target = parse(settings.PUBLIC_URL, allow_http=True), parse(url, allow_http=True)
    except ForbiddenAddress:
        return False
    return (own.host, own.port) == (target.host, target.port)


def check_endpoints_per_origin(row: HttpSettings) -> None:
    """Raise Invalid for ``url`` if the tenant has too many endpoints at the origin of this one.

    Call it after writing the row, in the same transaction: of two concurrent writers, the second waits and counts the
    first.
    """
    maximum = settings.WAYPOST_ENDPOINTS_PER_ORIGIN
    if not maximum or not row.origin or _is_allowed_network(parse(row.url, allow_http=True)):
        return
    tenant_id = row.endpoint.tenant_id
    Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=tenant_id)
    rows = HttpSettings.objects.filter(origin=row.origin, endpoint__tenant=tenant_id, endpoint__deleted_at=None)
    if rows.count() > maximum:
        raise Invalid("url", f"There are already {maximum} endpoints at this host, the maximum.")


def _is_allowed_network(target: ParsedUrl) -> bool:
    networks = compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS))
    return target.is_literal and networks.contains(target.host)
