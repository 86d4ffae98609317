"""Tell whether a URL leads to this deployment itself, which tenants must not make call itself.

A source whose key server is the platform, or an endpoint that publishes what it receives, would start a loop. A loop
through another host name is not found here; the hop count of events ends it.
"""

from django.conf import settings

from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse


def is_forbidden_own_address(target: ParsedUrl) -> bool:
    """Return whether the URL has the host and port of PUBLIC_URL. Always false with WAYPOST_ALLOW_SELF."""
    if settings.WAYPOST_ALLOW_SELF:
        return False
    try:
        own = parse(settings.PUBLIC_URL, allow_http=True)
    except ForbiddenAddress:
        return False
    return (own.host, own.port) == (target.host, target.port)
