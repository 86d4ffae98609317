"""Return whether a URL leads to this deployment itself, which tenants must not make call itself.

A source whose key server is the platform, or an endpoint that publishes what it receives, would start a loop. A loop
through another host name is not found here; the hop count of events ends it.

One exception: deliveries may go to the platform's request inspectors, which only keep what they receive. The URL
decides, not the address that a name resolves to: scheme, host and port are those of PUBLIC_URL, and the path is exactly
an inspector's. A DNS record that changes makes no other URL one of these.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings

from webhooks.wire.addresses.guard import address_filter
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse

INSPECTOR_PATH = "/inspect/"  # followed by the token of an inspector
# Nothing may follow the token: a proxy before the platform might take /inspect/TOKEN/../admin/ for /admin/.
_INSPECTOR = re.compile(re.escape(INSPECTOR_PATH) + "[A-Za-z0-9_-]{43}/?")


def is_forbidden_own_address(target: ParsedUrl) -> bool:
    """Return whether the URL has the host and port of PUBLIC_URL. Always false with WAYPOST_ALLOW_SELF."""
    if settings.WAYPOST_ALLOW_SELF:
        return False
    own = _own()
    return own is not None and (own.host, own.port) == (target.host, target.port)


def is_own_http() -> bool:
    """Return whether the platform itself is reached over plain HTTP, and so its inspectors are."""
    own = _own()
    return own is not None and own.scheme == "http"


def is_inspector(target: ParsedUrl) -> bool:
    """Return whether the URL is that of a request inspector of this platform, by its text alone."""
    own = _own()
    return own is not None and target.origin == own.origin and _INSPECTOR.fullmatch(target.path) is not None


def inspector_filter(target: ParsedUrl) -> Callable[[str], bool] | None:
    """Return whether a delivery to a request inspector may connect to an IP address; None: the URL is none of ours.

    If PUBLIC_URL has an IP address, to that one only; if its host is `localhost`, to loopback addresses; if it has
    another name, to the addresses that every delivery may connect to.
    """
    if not is_inspector(target):
        return None
    if target.is_literal:
        only = ip_address(target.host)
        return lambda ip: ip_address(ip) == only
    if target.host == "localhost":
        return lambda ip: ip_address(ip).is_loopback
    return address_filter(target, compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS)))


def _own() -> ParsedUrl | None:
    try:
        return parse(settings.PUBLIC_URL, allow_http=True)
    except ForbiddenAddress:
        return None
