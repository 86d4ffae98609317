"""Guard outgoing calls against internal addresses (SSRF).

`parsed_url` parses the URL, `networks` decides about one IP address, and this module about all addresses of a host. One
forbidden address forbids the host: a name with both public and internal addresses is an attack or a mistake, and a
client may connect to any of them.

Checking a URL is not enough, because the next lookup may return other addresses (DNS rebinding). `check` resolves once,
when a URL is saved. Code that connects checks the address that the socket is about to connect to, and does not resolve
again: single calls with `is_allowed`, deliveries with the check that `address_filter` returns for their URL.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from webhooks.wire.addresses.networks import AllowedNetworks, compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse


def check(
    url: str, *, resolve: Callable[[str], list[str]], allow_http: bool = False, allow_networks: Sequence[str] = ()
) -> None:
    """Raise ForbiddenAddress unless this URL may be called.

    `resolve` returns all IP addresses of a host name; it is called at most once, and an OSError counts as no address.
    `allow_networks` are the operator's own networks as CIDRs (ValueError if one is invalid): their addresses may be
    called although they are not public, on any port from 1024 up and under internal names.
    """
    target = parse(url, allow_http=allow_http)
    networks = compile_networks(tuple(allow_networks))
    if target.reserved and not networks:
        raise forbidden(target, "address")
    try:
        addresses = [target.host] if target.is_literal else resolve(target.host)
    except OSError:
        addresses = []
    check_resolved(target, addresses, networks)


def check_resolved(target: ParsedUrl, addresses: Iterable[str], networks: AllowedNetworks) -> None:
    """Raise ForbiddenAddress unless there are addresses and each of them may be connected to."""
    addresses = list(addresses)
    if not addresses:
        raise forbidden(target, "unresolved")
    if not all(is_allowed(target, ip, networks) for ip in addresses):
        raise forbidden(target, "address")


def is_allowed(target: ParsedUrl, ip: str, networks: AllowedNetworks) -> bool:
    """Return whether a socket for this URL may connect to this IP address. Cheap: call it before every connect."""
    return address_filter(target, networks)(ip)


def address_filter(target: ParsedUrl, networks: AllowedNetworks) -> Callable[[str], bool]:
    """Return the check of `is_allowed` for one URL, for a client that calls back with each IP address."""
    return networks.contains if target.reserved else networks.allows


def forbidden(target: ParsedUrl, reason: Literal["address", "unresolved"]) -> ForbiddenAddress:
    """Make the exception for a valid URL that may not be called.

    Its text depends only on the URL, never on the resolved addresses: see ForbiddenAddress.
    """
    if target.reserved == "port":
        return ForbiddenAddress("port", f"Port {target.port} may not be called.")
    return ForbiddenAddress(target.reserved or reason)
