"""May we call this address? The one guard in front of every outgoing call.

Three questions, each answered in one place: what does the URL say (`targets`), may this IP address be called
(`networks`), and, here, does everything the name leads to pass. One refused answer refuses the name: a name
that leads both outside and inside is an attack or a mistake, and which of its addresses a client would pick
is luck.

A check alone protects nothing, because the next look-up may answer differently (DNS rebinding). `check` asks
the resolver once and is for the moment a URL is saved. Whoever connects asks `admits` about the very address
the socket is about to connect to, and looks nothing up again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from webhooks.wire.addresses.networks import AllowedNetworks, compile_networks, permitted
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse

__all__ = [
    "AllowedNetworks",
    "ForbiddenAddress",
    "ParsedUrl",
    "address_filter",
    "check",
    "check_resolved",
    "compile_networks",
    "forbidden",
    "is_allowed",
    "parse",
    "permitted",
]


def check(
    url: str,
    *,
    resolve: Callable[[str], list[str]],
    allow_http: bool = False,
    allow_networks: Sequence[str] = (),
) -> None:
    """Raise ForbiddenAddress unless this URL may be called.

    `resolve` turns a host name into all its IP addresses, and is called at most once; an OSError from it
    counts as no answer. `allow_networks` are the operator's own networks as CIDRs (ValueError if one is
    none): addresses inside may be called although they are not public, on any port from 1024 up and under
    names that exist only there.
    """
    target = parse(url, allow_http=allow_http)
    networks = compile_networks(tuple(allow_networks))
    if target.reserved and not networks:
        raise forbidden(target, "address")
    try:
        answers = [target.host] if target.is_literal else resolve(target.host)
    except OSError:
        answers = []
    check_resolved(target, answers, networks)


def check_resolved(target: ParsedUrl, answers: Iterable[str], networks: AllowedNetworks) -> None:
    """Raise ForbiddenAddress unless there are answers and each of them may be connected to."""
    answers = list(answers)
    if not answers:
        raise forbidden(target, "unresolved")
    if not all(is_allowed(target, ip, networks) for ip in answers):
        raise forbidden(target, "address")


def is_allowed(target: ParsedUrl, ip: str, networks: AllowedNetworks) -> bool:
    """Whether a socket for this target may connect to this IP address. Cheap: ask at every connect."""
    return address_filter(target, networks)(ip)


def address_filter(target: ParsedUrl, networks: AllowedNetworks) -> Callable[[str], bool]:
    """The question of `admits` about one target, for a client that calls back with each IP address."""
    return networks.contains if target.reserved else networks.allows


def forbidden(target: ParsedUrl, reason: Literal["address", "unresolved"]) -> ForbiddenAddress:
    """What to raise when a well-written target may not be called. Its text depends on the URL alone and
    never on the answers, see ForbiddenAddress."""
    if target.reserved == "port":
        return ForbiddenAddress("port", f"Port {target.port} may not be called.")
    return ForbiddenAddress(target.reserved or reason)
