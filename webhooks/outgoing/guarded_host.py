"""Check the host and port of a server that is not called over HTTP: a broker, a database, a queue.

The constraints are those of ``guarded_call``: tenants choose the host, and DNS may return other addresses at the next
lookup. So the name is resolved once and every address is checked; the caller connects to one of the addresses that are
returned, and does not resolve again. Unlike a URL, any port may be named, because ports that are forbidden to URLs
belong to these very services.
"""

from collections.abc import Hashable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace

from django.conf import settings

from webhooks.outgoing import resolver
from webhooks.outgoing.errors import HostNotResolved
from webhooks.outgoing.own_address import is_forbidden_own_address
from webhooks.outgoing.resolver import LOOKUP_SECONDS, NotResolved
from webhooks.wire.addresses.guard import check_resolved, forbidden
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse


def split_host(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of ``host``, ``host:port`` or ``[IPv6 address]:port``; the host without brackets.

    Raises ForbiddenAddress.
    """
    host, separator, port = text.strip().rpartition(":")
    if not separator or port.endswith("]"):
        host, port = text.strip(), str(default_port)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ForbiddenAddress("syntax", "Must be host:port; an IPv6 address stands in brackets.")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65_535):
        raise ForbiddenAddress("port", "The port must be a number from 1 to 65535.")
    return host, int(port)


def check_host(host: str, port: int, *, share: Hashable) -> list[str]:
    """Return the addresses of a host, each of which may be connected to; resolves on behalf of a tenant (``share``).

    ``host``: a name or an IP address without brackets. Blocks for LOOKUP_SECONDS at most. Raises ForbiddenAddress,
    HostNotResolved, TooManyLookups.
    """
    networks = compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS))
    target = replace(parse(f"https://{f'[{host}]' if ':' in host else host}/"), port=port)
    if is_forbidden_own_address(target):
        raise ForbiddenAddress("address")
    if target.reserved and not networks:
        raise forbidden(target, "address")
    addresses = [target.host]
    if not target.is_literal:
        try:
            found = resolver.resolve(target.host, share).result(2 * LOOKUP_SECONDS)
        except (NotResolved, FutureTimeout) as error:
            raise HostNotResolved(f"The name {target.host} has no address.") from error
        addresses = list(found.addresses)
    check_resolved(target, addresses, networks)
    return addresses
