"""Check which IP addresses may be called: tables, their edges, and addresses embedded in others."""

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

is_allowed = AllowedNetworks().allows


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


def test_network_of_mapped_addresses_is_the_ipv4_network_that_it_names() -> None:
    networks = AllowedNetworks(["::ffff:127.0.0.0/104", "::ffff:192.0.2.1"])
    for address in ("127.0.0.1", "::ffff:127.255.255.255", "192.0.2.1", "::ffff:192.0.2.1"):
        assert networks.contains(address)
    for address in ("128.0.0.1", "192.0.2.2", "::1"):
        assert not networks.contains(address)
    assert AllowedNetworks(["10.0.0.0/8"]).contains("::ffff:10.1.2.3")
    assert AllowedNetworks(["::ffff:0:0/96"]).contains("8.8.8.8")


@given(inside(NOT_PUBLIC_IPV4))
def test_allows_rejects_internal_addresses_in_any_embedding(address: IPv4Address) -> None:
    assert not is_allowed(str(address))
    assert not any(is_allowed(form) for form in embeddings(address))


@given(st.ip_addresses(v=4))
def test_allows_rejects_a_public_address_embedded_in_ipv6(address: IPv4Address) -> None:
    assert not any(is_allowed(form) for form in embeddings(address))


@pytest.mark.parametrize("network", NOT_PUBLIC_IPV4, ids=str)
def test_allows_rejects_both_ends_of_a_forbidden_ipv4_network(network: IPv4Network) -> None:
    assert not is_allowed(str(network[0]))
    assert not is_allowed(str(network[-1]))


@pytest.mark.parametrize("network", NOT_PUBLIC_IPV6, ids=str)
def test_allows_rejects_both_ends_of_a_forbidden_ipv6_network(network: IPv4Network) -> None:
    assert not is_allowed(str(network[0]))
    assert not is_allowed(str(network[-1]))


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
def test_allows_accepts_the_neighbours_of_forbidden_networks(ip: str) -> None:
    assert is_allowed(ip)


@pytest.mark.parametrize(
    "ip",
    [
        *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1"),
        *("100::1", "5f00::1", "1fff:ffff::1", "4000::1", "2001:20::1", "2001:2::1"),
        *("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "255.255.255.255"),
    ],
)
def test_allows_rejects_special_and_metadata_addresses(ip: str) -> None:
    assert not is_allowed(ip)


@pytest.mark.parametrize(
    "text", ["", "example.com", "1.1.1", "01.1.1.1", "1.1.1.1/32", "2606:4700::1%eth0", "127.1", "0x7f000001"]
)
def test_allows_rejects_text_that_is_no_address(text: str) -> None:
    assert not is_allowed(text)
    assert not AllowedNetworks(["0.0.0.0/0", "::/0"]).allows(text)


def test_allows_accepts_the_allowed_allowedand_public_addresses() -> None:
    allowed = AllowedNetworks(LOOPBACK)
    assert allowed.allows("127.0.0.1")
    assert allowed.allows("::1")
    assert allowed.allows("1.1.1.1")
    assert not allowed.allows("10.0.0.1")
    assert not allowed.allows("128.0.0.1.")


def test_contains_accepts_only_the_allowed_networks() -> None:
    allowed = AllowedNetworks(["10.1.0.0/16"])
    assert allowed.contains("10.1.2.3")
    assert not allowed.contains("10.2.0.0")
    assert not allowed.contains("1.1.1.1")
    assert not AllowedNetworks().contains("1.1.1.1")


@given(inside((IPv4Network("127.0.0.0/8"),)))
def test_allows_rejects_an_allowed_address_embedded_in_ipv6(address: IPv4Address) -> None:
    allowed = compile_networks(LOOPBACK)
    assert allowed.allows(str(address))
    assert not any(allowed.allows(form) for form in embeddings(address))


@pytest.mark.parametrize(
    ("network", "inside_public", "inside_private"),
    [
        ("64:ff9b::/96", "64:ff9b::101:101", "64:ff9b::a9fe:a9fe"),
        ("::ffff:0:0/96", "::ffff:1.1.1.1", "::ffff:10.0.0.1"),
        ("2002::/16", "2002:101:101::1", "2002:7f00:1::1"),
        ("2001::/32", "2001:0:1:1:1:1:fefe:fefe", "2001:0:1:1:1:1:80ff:fffe"),
    ],
)
def test_allowed_translation_network_rejects_private_addresses_in_it(
    network: str, inside_public: str, inside_private: str
) -> None:
    allowed = AllowedNetworks([network])
    assert allowed.allows(inside_public)
    assert not allowed.allows(inside_private)
    assert AllowedNetworks([network, "0.0.0.0/0"]).allows(inside_private)


@pytest.mark.parametrize("entry", ["127.0.0.1/8", "localhost", "", "10.0.0.0/33", "10.0.0.0/8/8"])
def test_allowed_allowedname_an_invalid_entry(entry: str) -> None:
    with pytest.raises(ValueError, match="not a network in CIDR notation") as caught:
        AllowedNetworks(["::1", entry])
    assert repr(entry) in str(caught.value)


def test_compile_networkscompiles_the_same_list_once() -> None:
    assert compile_networks(LOOPBACK) is compile_networks(LOOPBACK)
    assert not compile_networks(())
    assert compile_networks(LOOPBACK)


def test_forbidden_alloweddo_not_overlap() -> None:
    networks = [ip_network(network) for network in NOT_PUBLIC_IPV4]
    assert not [(one, other) for one in networks for other in networks if one is not other and one.overlaps(other)]
