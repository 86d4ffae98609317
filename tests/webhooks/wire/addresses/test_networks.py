"""Which IP addresses may be called: the table, its edges, and every way to hide one address in another."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.addresses.networks import (
    NOT_PUBLIC_IPV4,
    NOT_PUBLIC_IPV6,
    AllowedNetworks,
    compile_networks,
)

LOOPBACK = ("127.0.0.0/8", "::1/128")

permitted = AllowedNetworks().allows


def inside(networks: tuple[IPv4Network, ...]) -> st.SearchStrategy[IPv4Address]:
    return st.sampled_from(networks).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(lambda offset: network[offset])
    )


def embeddings(address: IPv4Address) -> list[str]:
    number = int(address)
    prefixes = {
        "mapped": int(IPv6Address("::ffff:0:0")),
        "compatible": 0,
        "translated": int(IPv6Address("::ffff:0:0:0")),
        "nat64": int(IPv6Address("64:ff9b::")),
        "local nat64": int(IPv6Address("64:ff9b:1::")),
    }
    forms = [IPv6Address(prefix + number) for prefix in prefixes.values()]
    forms.append(IPv6Address(int(IPv6Address("2002::")) + (number << 80)))  # 6to4
    forms.append(IPv6Address(int(IPv6Address("2001::")) + (number ^ 0xFFFFFFFF)))  # Teredo's client
    forms.append(IPv6Address(int(IPv6Address("2001::")) + (number << 64)))  # Teredo's server
    return [str(form) for form in forms]


@given(inside(NOT_PUBLIC_IPV4))
def test_no_address_inside_a_refused_network_is_permitted_in_any_embedding(address: IPv4Address) -> None:
    assert not permitted(str(address))
    assert not any(permitted(form) for form in embeddings(address))


@given(st.ip_addresses(v=4))
def test_even_a_public_address_is_refused_inside_an_ipv6_one(address: IPv4Address) -> None:
    assert not any(permitted(form) for form in embeddings(address))


@pytest.mark.parametrize("network", NOT_PUBLIC_IPV4, ids=str)
def test_both_ends_of_a_refused_ipv4_network_are_refused(network: IPv4Network) -> None:
    assert not permitted(str(network[0]))
    assert not permitted(str(network[-1]))


@pytest.mark.parametrize("network", NOT_PUBLIC_IPV6, ids=str)
def test_both_ends_of_a_refused_ipv6_network_are_refused(network: IPv4Network) -> None:
    assert not permitted(str(network[0]))
    assert not permitted(str(network[-1]))


@pytest.mark.parametrize(
    "ip",
    [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
        *("128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0"),
        *("172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.31.195.255"),
        *("192.52.194.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0"),
        *("198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0"),
        *("223.255.255.255", "8.8.8.8", "93.184.215.14"),
        *("2606:4700:4700::1111", "2001:4860:4860::8888", "2001:200::", "2003::1", "2001:db9::"),
        *("2620:4f:8001::", "2a00::1", "3ffe:ffff:ffff::", "3fff:1000::"),
    ],
)
def test_the_neighbours_of_refused_networks_are_permitted(ip: str) -> None:
    assert permitted(ip)


@pytest.mark.parametrize(
    "ip",
    [
        *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1"),
        *("100::1", "5f00::1", "1fff:ffff::1", "4000::1", "2001:20::1", "2001:2::1"),
        *("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "255.255.255.255"),
    ],
)
def test_special_and_metadata_addresses_are_refused(ip: str) -> None:
    assert not permitted(ip)


@pytest.mark.parametrize(
    "text", ["", "example.com", "1.1.1", "01.1.1.1", "1.1.1.1/32", "2606:4700::1%eth0", "127.1", "0x7f000001"]
)
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    assert not permitted(text)
    assert not AllowedNetworks(["0.0.0.0/0", "::/0"]).allows(text)


def test_the_operators_own_networks_are_permitted_beside_the_public_ones() -> None:
    own = AllowedNetworks(LOOPBACK)
    assert own.allows("127.0.0.1")
    assert own.allows("::1")
    assert own.allows("1.1.1.1")
    assert not own.allows("10.0.0.1")
    assert not own.allows("128.0.0.1.")


def test_only_the_operators_own_networks_are_owned() -> None:
    own = AllowedNetworks(["10.1.0.0/16"])
    assert own.contains("10.1.2.3")
    assert not own.contains("10.2.0.0")
    assert not own.contains("1.1.1.1")
    assert not AllowedNetworks().contains("1.1.1.1")


@given(inside((IPv4Network("127.0.0.0/8"),)))
def test_an_allowed_address_is_not_allowed_in_disguise(address: IPv4Address) -> None:
    own = compile_networks(LOOPBACK)
    assert own.allows(str(address))
    assert not any(own.allows(form) for form in embeddings(address))


@pytest.mark.parametrize(
    ("network", "inside_public", "inside_private"),
    [
        ("64:ff9b::/96", "64:ff9b::101:101", "64:ff9b::a9fe:a9fe"),
        ("::ffff:0:0/96", "::ffff:1.1.1.1", "::ffff:10.0.0.1"),
        ("2002::/16", "2002:101:101::1", "2002:7f00:1::1"),
        ("2001::/32", "2001:0:1:1:1:1:fefe:fefe", "2001:0:1:1:1:1:80ff:fffe"),
    ],
)
def test_allowing_a_translation_network_does_not_allow_private_addresses_through_it(
    network: str, inside_public: str, inside_private: str
) -> None:
    own = AllowedNetworks([network])
    assert own.allows(inside_public)
    assert not own.allows(inside_private)
    assert AllowedNetworks([network, "0.0.0.0/0"]).allows(inside_private)


@pytest.mark.parametrize("entry", ["127.0.0.1/8", "localhost", "", "10.0.0.0/33", "10.0.0.0/8/8"])
def test_an_entry_that_is_no_network_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="not a network in CIDR notation") as caught:
        AllowedNetworks(["::1", entry])
    assert repr(entry) in str(caught.value)


def test_the_same_list_is_compiled_once() -> None:
    assert compile_networks(LOOPBACK) is compile_networks(LOOPBACK)
    assert not compile_networks(())
    assert compile_networks(LOOPBACK)


def test_the_refused_networks_do_not_overlap() -> None:
    networks = [ip_network(network) for network in NOT_PUBLIC_IPV4]
    assert not [(one, other) for one in networks for other in networks if one is not other and one.overlaps(other)]
