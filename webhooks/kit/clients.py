"""Tell who the client of a request is: the connection's peer, or what a trusted proxy says about its own client.

Only addresses in WAYPOST_TRUSTED_PROXIES may say so. From all others the headers ``X-Forwarded-For`` and
``X-Forwarded-Proto`` mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings

from webhooks.kit.caches.short_text_cache import short_text_cache
from webhooks.wire.addresses.networks import compile_networks

MAX_HOPS = 20  # addresses of X-Forwarded-For that are read, from its end


@dataclass(frozen=True, slots=True)
class Client:
    """The address of a client, whether it uses http or https, and whether a trusted proxy says so."""

    address: str
    scheme: str
    is_proxied: bool


def is_trusted_proxy(address: str) -> bool:
    """Return whether the operator lists this address in WAYPOST_TRUSTED_PROXIES."""
    networks = settings.WAYPOST_TRUSTED_PROXIES
    return bool(networks) and compile_networks(tuple(networks)).contains(address)


def client_of(peer: str, scheme: str, headers: Mapping[str, str]) -> Client:
    """Return the client of a request: ``peer`` and ``scheme`` are the connection's, header names in lower case.

    Proxies append to ``X-Forwarded-For``, so it is read from its end, up to the first address that is not a proxy's.
    """
    if not is_trusted_proxy(peer):
        return Client(peer, scheme, is_proxied=False)
    forwarded = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")[-MAX_HOPS:]]
    address = next((hop for hop in reversed(hops) if _is_client(hop)), peer)
    return Client(address, forwarded if forwarded in ("http", "https") else scheme, is_proxied=True)


@short_text_cache(8192)
def _is_client(hop: str) -> bool:
    """Return whether this is an IP address, and not that of a trusted proxy."""
    try:
        ip_address(hop)
    except ValueError:
        return False
    return not is_trusted_proxy(hop)


@short_text_cache(8192)
def network_of(address: str) -> str:
    """Return the network that has one share of what clients share: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Network((parsed, 64), strict=False))
    return address
