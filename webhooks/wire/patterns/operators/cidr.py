"""Compile the operator ``cidr`` and IP addresses as exact values, which compare addresses by bits in any notation.

An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is the IPv4 address in it. Octets with leading zeros are not
addresses: some parsers read them as octal (RFC 6943 section 3.1.1).
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate, require_string

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_MIN_LENGTH, _MAX_LENGTH = len("::"), len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
_MAPPED_BITS = 96  # the length of ::ffff:0:0/96, the prefix of IPv4-mapped addresses


@dataclass(frozen=True, slots=True)
class Network:
    """Accept addresses of one IP version whose bits above ``shift`` are these."""

    version: int
    shift: int
    bits: int

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar is an address in this network, in any notation."""
        other = parse_address(scalar)
        return other is not None and other.version == self.version and int(other) >> self.shift == self.bits


@dataclass(frozen=True, slots=True)
class SameAddress:
    """Accept one IP address in any notation."""

    address: IpAddress

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar is this address."""
        return parse_address(scalar) == self.address


def cidr(argument: Any, at: str) -> Predicate:
    """Compile ``{"cidr": "10.0.0.0/24"}``: an address in this network. Host bits are ignored."""
    text = require_string(argument, at)
    base, _, mask = text.partition("/")
    address = parse_address(base)
    if address is None or not (mask.isascii() and mask.isdecimal() and len(mask) <= len("128")):
        raise InvalidPattern(at, f"not a network: {text!r}; write an address and a mask like 10.0.0.0/24")
    bits = int(mask)
    if ":" in base and address.version == 4:
        bits -= _MAPPED_BITS
    if not 0 <= bits < address.max_prefixlen:
        raise InvalidPattern(
            at, f"the mask must be less than {address.max_prefixlen}; write a single address as a string"
        )
    shift = address.max_prefixlen - bits
    return Network(address.version, shift, int(address) >> shift)


def parse_address(scalar: Any) -> IpAddress | None:
    """Parse an IP address; None for anything else. Cheap checks come first, because most strings are no addresses."""
    if not isinstance(scalar, str) or not _MIN_LENGTH <= len(scalar) <= _MAX_LENGTH:
        return None
    if "%" in scalar or not (":" in scalar or scalar.count(".") == 3):
        return None
    try:
        address = ipaddress.ip_address(scalar)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
