"""No tenant can aim a crowd of endpoints at one victim, or at ourselves.

Every event goes to every endpoint that wants it, so a hundred endpoints at one address turn one event into a hundred
requests. A tenant may have so many at one origin (scheme, host and port) and no more; addresses inside networks the
operator allows are the operator's own, and are not counted. Our own address is refused, unless the operator
allows it: what comes back as an event would go round. Under another name of ours it is not recognised; for that
there is the hop count of what is published from receipts (see delivery.publishing.publish_receipt).
"""

from django.conf import settings

from subscriptions.errors import Invalid
from subscriptions.models import Endpoint, Tenant
from webhooks.wire.addresses.guard import ForbiddenAddress, ParsedUrl, compile_networks, parse

__all__ = ["check_endpoints_per_origin", "is_own_address", "origin_of"]


def origin_of(url: str) -> str:
    """What endpoints at one target have in common, in its one spelling; empty for a URL that is none."""
    try:
        return parse(url, allow_http=True).origin
    except ForbiddenAddress:
        return ""


def is_own_address(url: str) -> bool:
    """Whether this leads to our own public address, and may not."""
    if settings.WAYPOST_ALLOW_SELF:
        return False
    try:
        ours, theirs = parse(settings.PUBLIC_URL, allow_http=True), parse(url, allow_http=True)
    except ForbiddenAddress:
        return False
    return (ours.host, ours.port) == (theirs.host, theirs.port)


def check_endpoints_per_origin(endpoint: Endpoint) -> None:
    """Raises Refused naming `url` if its tenant has more endpoints at its origin now than may be.

    To be called after the row was written, in the same transaction: of two at once the second waits and counts the
    first.
    """
    most = settings.WAYPOST_ENDPOINTS_PER_ORIGIN
    if not most or not endpoint.origin or _is_operators(parse(endpoint.url, allow_http=True)):
        return
    Tenant.objects.select_for_update(no_key=True).only("pk").get(pk=endpoint.tenant_id)
    rows = Endpoint.objects.filter(tenant=endpoint.tenant_id, origin=endpoint.origin, deleted_at=None)
    if rows.count() > most:
        raise Invalid("url", f"There are {most} endpoints at this host already.")


def _is_operators(target: ParsedUrl) -> bool:
    networks = compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS))
    return target.is_literal and networks.contains(target.host)
