"""Check the address guard: vectors, spellings, one lookup, and an error that does not reveal addresses."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.addresses.guard import address_filter, check, check_resolved, is_allowed
from webhooks.wire.addresses.networks import NOT_PUBLIC_IPV4, compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse

PUBLIC = "93.184.215.14"
LOOPBACK = ("127.0.0.0/8", "::1/128")

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "addresses.json").read_text())
CASES = VECTORS["refuse"] + VECTORS["accept"]


def resolver(*addresses: str) -> Callable[[str], list[str]]:
    return lambda host: list(addresses)


def rejected(url: str, *addresses: str, allow_networks: tuple[str, ...] = ()) -> ForbiddenAddress:
    with pytest.raises(ForbiddenAddress) as caught:
        check(url, resolve=resolver(*addresses), allow_http=True, allow_networks=allow_networks)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["url"])[:60])
def test_vectors(case: dict[str, Any]) -> None:
    addresses = case.get("resolves_to", [PUBLIC])
    if case["accept"]:
        check(case["url"], resolve=resolver(*addresses), allow_http=True)
    else:
        rejected(case["url"], *addresses)


def spellings(address: IPv4Address) -> list[str]:
    number = int(address)
    a, b, c, d = address.packed
    return [
        f"{a}.{b}.{c}.{d}",
        str(number),
        f"{number:#x}",
        f"{number:#X}",
        f"0{number:o}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a:03}.{b:03}.{c:03}.{d:04}",
        f"{a}.{b}.{(c << 8) + d}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{c}.{d}.",
        f"{a}\u3002{b}\u3002{c}\u3002{d}",
        "".join(chr(ord(x) + 0xFEE0) for x in str(address)),
        "".join(chr(ord(x) + 0xFEE0) if x.isdigit() else x for x in str(address)),
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]",
        f"%{ord(str(a)[0]):x}{str(address)[1:]}",
        f"example.com@{address}",
    ]


@given(
    st.sampled_from(NOT_PUBLIC_IPV4).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(lambda offset: network[offset])
    )
)
def test_check_rejects_internal_addresses_in_any_spelling(address: IPv4Address) -> None:
    for host in spellings(address):
        rejected(f"http://{host}/", PUBLIC)
    assert rejected("https://example.com/", str(address)).reason == "address"
    assert rejected("https://example.com/", PUBLIC, str(address)).reason == "address"


@given(st.text(), st.lists(st.sampled_from([PUBLIC, "::1", "nonsense", ""]), max_size=2))
def test_check_raises_only_forbidden_address_for_any_text(text: str, addresses: list[str]) -> None:
    for url in (text, f"https://{text}/", f"https://example.com:{text}", f"https://example.com/{text}"):
        with suppress(ForbiddenAddress):
            check(url, resolve=resolver(*addresses), allow_networks=LOOPBACK)


@pytest.mark.parametrize(
    "addresses",
    [
        *(["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["2606:4700::1", "::1"]),
        *([PUBLIC, "::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["0.0.0.0"], ["not an address"]),
    ],
)
def test_check_rejects_a_name_with_one_forbidden_address(addresses: list[str]) -> None:
    assert rejected("https://example.com/", *addresses).reason == "address"


def test_check_rejects_a_name_without_addresses() -> None:
    assert rejected("https://example.com/").reason == "unresolved"


def test_check_treats_a_failing_resolver_as_no_address() -> None:
    def failing(host: str) -> list[str]:
        raise TimeoutError

    with pytest.raises(ForbiddenAddress) as caught:
        check("https://example.com/", resolve=failing)
    assert caught.value.reason == "unresolved"


def test_check_resolves_once_with_the_ascii_name() -> None:
    hosts: list[str] = []

    def rebinding(host: str) -> list[str]:
        hosts.append(host)
        return [PUBLIC] if len(hosts) == 1 else ["127.0.0.1"]

    check("https://B\u00fccher.example.com./", resolve=rebinding)
    assert hosts == ["xn--bcher-kva.example.com"]


def test_check_resolves_again_on_every_call() -> None:
    turns = iter([[PUBLIC], ["127.0.0.1"]])
    check("https://rebind.example.com/", resolve=lambda host: next(turns))
    with pytest.raises(ForbiddenAddress):
        check("https://rebind.example.com/", resolve=lambda host: next(turns))


@pytest.mark.parametrize("url", ["https://1.1.1.1/", "https://[2606:4700:4700::1111]/"])
def test_check_does_not_resolve_an_ip_address(url: str) -> None:
    def never(host: str) -> list[str]:
        raise AssertionError(host)

    check(url, resolve=never)


@pytest.mark.parametrize("url", ["https://localhost/", "https://example.com:6379/", "https://x.internal/"])
def test_check_does_not_resolve_a_reserved_name_or_port(url: str) -> None:
    def never(host: str) -> list[str]:
        raise AssertionError(host)

    with pytest.raises(ForbiddenAddress):
        check(url, resolve=never)


@pytest.mark.parametrize("port", [1024, 6379, 6667, 8000, 11211, 65535])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]"])
def test_check_accepts_any_high_port_in_an_allowed_network(host: str, port: int) -> None:
    check(f"http://{host}:{port}/", resolve=resolver(), allow_http=True, allow_networks=LOOPBACK)


@pytest.mark.parametrize("name", ["localhost", "foo.localhost", "backend", "api.internal", "example.com"])
def test_check_accepts_any_name_in_an_allowed_network(name: str) -> None:
    url = f"http://{name}:6379/"
    check(url, resolve=resolver("127.0.0.1", "::1"), allow_http=True, allow_networks=LOOPBACK)


@pytest.mark.parametrize("addresses", [[PUBLIC], ["127.0.0.1", PUBLIC], ["10.0.0.1"]])
def test_check_rejects_an_internal_name_outside_the_allowed_networks(addresses: list[str]) -> None:
    assert rejected("http://localhost/", *addresses, allow_networks=LOOPBACK).reason == "name"


def test_check_rejects_low_ports_in_allowed_networks() -> None:
    assert rejected("http://127.0.0.1:22/", allow_networks=LOOPBACK).reason == "port"
    assert rejected("http://127.0.0.1:0/", allow_networks=LOOPBACK).reason == "port"


def test_check_with_an_allowed_network_rejects_other_internal_addresses() -> None:
    rejected("http://10.0.0.1/", allow_networks=LOOPBACK)
    rejected("http://[::ffff:127.0.0.1]/", allow_networks=LOOPBACK)
    rejected("http://2130706433/", allow_networks=LOOPBACK)
    rejected("http://example.com/", "169.254.169.254", allow_networks=LOOPBACK)


@pytest.mark.parametrize("allow_networks", [(), LOOPBACK])
@pytest.mark.parametrize("url", ["https://example.com/", "https://a.internal/", "https://example.com:6379/"])
def test_forbidden_address_message_does_not_depend_on_the_addresses(url: str, allow_networks: tuple[str, ...]) -> None:
    outcomes = [
        rejected(url, allow_networks=allow_networks),
        rejected(url, "10.0.0.1", allow_networks=allow_networks),
        rejected(url, "192.168.0.1", "169.254.169.254", allow_networks=allow_networks),
    ]
    assert len({str(outcome) for outcome in outcomes}) == 1


def test_check_raises_value_error_for_an_invalid_network() -> None:
    with pytest.raises(ValueError, match="not a network") as caught:
        check("https://example.com/", resolve=resolver(PUBLIC), allow_networks=["loopback"])
    assert not isinstance(caught.value, ForbiddenAddress)


def test_is_allowed_decides_by_the_address_of_each_connect() -> None:
    ordinary, internal = parse("https://example.com/"), parse("https://localhost:8443/")
    no_networks, loopback = compile_networks(()), compile_networks(LOOPBACK)
    assert is_allowed(ordinary, PUBLIC, no_networks)
    assert not is_allowed(ordinary, "127.0.0.1", no_networks)
    assert is_allowed(ordinary, "127.0.0.1", loopback)
    assert not is_allowed(internal, PUBLIC, loopback)
    assert is_allowed(internal, "127.0.0.1", loopback)
    assert [address_filter(internal, loopback)(ip) for ip in ("127.0.0.1", PUBLIC)] == [True, False]
    assert [address_filter(ordinary, no_networks)(ip) for ip in ("127.0.0.1", PUBLIC)] == [False, True]


def test_check_resolved_accepts_any_iterable() -> None:
    check_resolved(parse("https://example.com/"), iter([PUBLIC]), compile_networks(()))
    with pytest.raises(ForbiddenAddress):
        check_resolved(parse("https://example.com/"), iter([]), compile_networks(()))


def test_guard_import_does_not_load_django() -> None:
    code = "import sys, webhooks.wire.addresses.guard; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
