"""Decide whether an IP address may be called: a public one, or one inside the operator's networks.

The tables are our own, because `ipaddress.is_global` changes with the Python version and has been wrong
(CVE-2024-4032). Public IPv4 is everything but a list. Public IPv6 is only the block that IANA allocates, without a
list: so every form that contains an IPv4 address (mapped, compatible, NAT64, Teredo, 6to4) is rejected without being
parsed.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; a cloud's metadata lives here too
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # Azure's host services: a public number, a private service
        "169.254.0.0/16",  # link-local, RFC 3927; the metadata address of most clouds
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # AMT, RFC 7450
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112
    )
)

PUBLIC_IPV6 = IPv6Network("2000::/3")  # the only global unicast block that IANA has allocated, RFC 4291

NOT_PUBLIC_IPV6 = tuple(
    IPv6Network(cidr)
    for cidr in (
        "2001::/23",  # Teredo, benchmarking, ORCHID and other protocol assignments, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
Networks = tuple[IPv4Network | IPv6Network, ...]
_CACHED = 8192  # results per list: more addresses than a sender connects to in an hour


class AllowedNetworks:
    """The operator's own networks (WAYPOST_ALLOW_NETWORKS), parsed once and used at every connect.

    Takes CIDRs of either family; raises ValueError that names an invalid entry. Results are cached.
    """

    allows: Callable[[str], bool]
    """Tells whether this address may be called: it is public, or inside the operator's networks."""

    contains: Callable[[str], bool]
    """Tells whether this address is inside the operator's networks."""

    def __init__(self, cidrs: Iterable[str] = ()) -> None:
        self._networks = tuple(_network(cidr) for cidr in cidrs)
        self._of_clients = tuple(map(_unmapped, self._networks))
        self.allows = lru_cache(_CACHED)(self._allows)
        self.contains = lru_cache(_CACHED)(self._contains)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _allows(self, ip: str) -> bool:
        address = _address(ip)
        return address is not None and (_is_public(address) or self._in_networks(address))

    def _contains(self, ip: str) -> bool:
        address = _address(ip)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # of a client at a socket for both families
        return address is not None and self._in_networks(address, self._of_clients)

    def _in_networks(self, address: IPv4Address | IPv6Address, networks: Networks = ()) -> bool:
        """Return whether the operator's networks contain the address, and also the IPv4 address embedded in it.

        An operator behind NAT64 allows 64:ff9b::/96 to reach public IPv4 addresses, not its own metadata service.
        """
        if not any(address in network for network in networks or self._networks):
            return False
        inner = _inner_ipv4(address)
        return inner is None or _is_public(inner) or self._in_networks(inner, networks)


@lru_cache(maxsize=64)
def compile_networks(cidrs: tuple[str, ...]) -> AllowedNetworks:
    """Parse the list once per process, so that its cached results are shared."""
    return AllowedNetworks(cidrs)


def _network(cidr: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(cidr.strip())
    except ValueError as error:
        raise ValueError(f"not a network in CIDR notation: {cidr!r} ({error})") from None


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return a network of IPv4-mapped addresses (RFC 4291, section 2.5.5.2) as the IPv4 network that it is."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def _address(ip: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    has_zone = isinstance(address, IPv6Address) and address.scope_id is not None
    return None if has_zone else address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_IPV4)
    return address in PUBLIC_IPV6 and not any(address in network for network in NOT_PUBLIC_IPV6)


def _inner_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address embedded in an IPv6 address, or None."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
