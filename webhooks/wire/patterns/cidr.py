"""Addresses are compared as addresses: by their bits, in whatever way they are written.

An IPv4 address wrapped in IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address it wraps. Octets with leading zeros are
no addresses: half the world would read them as octal (RFC 6943, 3.1.1).
"""

import ipaddress
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, require_string

__all__ = ["IpAddress", "cidr", "equals_address", "parse_address"]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

SHORTEST, LONGEST = len("::"), len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
MAPPED_BITS = 96  # ::ffff:0:0/96


def cidr(argument: Any, at: str) -> Predicate:
    """``{"cidr": "10.0.0.0/24"}``: text that is an address in this network; host bits are masked off."""
    text = require_string(argument, at)
    base, _, mask = text.partition("/")
    inside = parse_address(base)
    if inside is None or not (mask.isascii() and mask.isdecimal() and len(mask) <= len("128")):
        raise InvalidPattern(at, f"not a network: {text!r}; write an address and a mask like 10.0.0.0/24")
    bits = int(mask)
    if ":" in base and inside.version == 4:
        bits -= MAPPED_BITS
    if not 0 <= bits < inside.max_prefixlen:
        whole = inside.max_prefixlen
        raise InvalidPattern(at, f"the mask must be less than {whole}; list a single address as plain text")
    version, shift = inside.version, inside.max_prefixlen - bits
    network = int(inside) >> shift

    def test(scalar: Any) -> bool:
        found = parse_address(scalar)
        return found is not None and found.version == version and int(found) >> shift == network

    return test


def equals_address(wanted: IpAddress) -> Predicate:
    """Is it this address, however written?"""
    return lambda scalar: parse_address(scalar) == wanted


def parse_address(scalar: Any) -> IpAddress | None:
    """The address this scalar spells, or None. The cheap checks first: most text is no address."""
    if not isinstance(scalar, str) or not SHORTEST <= len(scalar) <= LONGEST:
        return None
    if "%" in scalar or not (":" in scalar or scalar.count(".") == 3):
        return None
    try:
        found = ipaddress.ip_address(scalar)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
